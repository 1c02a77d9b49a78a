// What an application does through pgx and through lib/pq; prints a section for each task (see
// Tests/Drivers/harness/programs.py).
package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/lib/pq"
)

var background = context.Background()

func address() string {
	return fmt.Sprintf("host=%s port=%s user=postgres dbname=%s sslmode=disable", os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGDATABASE"))
}

func words(err error) string {
	var fromPgx *pgconn.PgError
	if errors.As(err, &fromPgx) {
		return fromPgx.Code + " " + fromPgx.Message
	}
	var fromPq *pq.Error
	if errors.As(err, &fromPq) {
		return string(fromPq.Code) + " " + fromPq.Message
	}
	return err.Error()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func guarded(name string, work func()) {
	fmt.Println("==", name)
	defer func() {
		if problem := recover(); problem != nil {
			if err, isError := problem.(error); isError {
				fmt.Println("FAILED", words(err))
			} else {
				fmt.Println("FAILED", problem)
			}
		}
	}()
	work()
}

func task(name string, work func(*pgx.Conn)) {
	guarded("pgx: "+name, func() {
		connection, err := pgx.Connect(background, address())
		check(err)
		defer connection.Close(background)
		work(connection)
	})
}

func show(connection *pgx.Conn, text string, values ...interface{}) {
	rows, err := connection.Query(background, text, values...)
	if err == nil {
		for rows.Next() {
			row, err := rows.Values()
			check(err)
			fmt.Println(row...)
		}
		rows.Close()
		err = rows.Err()
	}
	if err != nil {
		fmt.Println(words(err))
		return
	}
	fmt.Println(rows.CommandTag())
}

func throughPgx() {
	task("connect", func(connection *pgx.Conn) {
		fmt.Println(connection.PgConn().ParameterStatus("server_encoding"), connection.PgConn().PID() != 0)
	})
	task("schema", func(connection *pgx.Conn) {
		show(connection, "CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price >= 0))")
		show(connection, "CREATE TABLE copied (n int, line text)")
	})
	task("simple", func(connection *pgx.Conn) {
		results, err := connection.PgConn().Exec(background,
			"SELECT 1; SELECT 2, NULL; INSERT INTO items VALUES (1, 'one', 1); UPDATE items SET price = 2").ReadAll()
		for _, result := range results {
			fmt.Println(result.CommandTag, result.Rows)
		}
		check(err)
		show(connection, "SELECT 1/0")
		show(connection, "SELEC")
		show(connection, "")
		show(connection, "SELECT $1::int", pgx.QuerySimpleProtocol(true), 7)
	})
	task("prepared", func(connection *pgx.Conn) {
		_, err := connection.Prepare(background, "mine",
			"SELECT $1::int, $2::text, $3::bytea, $4::numeric::text, $5::float8, $6::boolean, $7::int[]::text, $8::date")
		check(err)
		for round := 0; round < 8; round++ {
			show(connection, "mine", round, fmt.Sprintf("naïve ☃ %d", round), []byte{0, 1, 255}, "123.4567890123", 1.0/3, true, []int32{1, 3}, nil)
		}
		check(connection.Deallocate(background, "mine"))
		show(connection, "mine", 1)
	})
	task("transactions", func(connection *pgx.Conn) {
		transaction, err := connection.Begin(background)
		check(err)
		show(connection, "INSERT INTO items VALUES (2, 'two', 2)")
		savepoint, err := transaction.Begin(background)
		check(err)
		show(connection, "INSERT INTO items VALUES ($1, 'again', 2)", 2)
		fmt.Println(string(connection.PgConn().TxStatus()))
		show(connection, "SELECT 1")
		check(savepoint.Rollback(background))
		show(connection, "SELECT count(*) FROM items")
		check(transaction.Rollback(background))
		fmt.Println(string(connection.PgConn().TxStatus()))
		show(connection, "SELECT count(*) FROM items")
	})
	task("batch", func(connection *pgx.Conn) {
		batch := &pgx.Batch{}
		for id := 100; id < 3100; id++ {
			batch.Queue("INSERT INTO items VALUES ($1, $2, $3)", id, strings.Repeat("x", id%300), id)
		}
		batch.Queue("INSERT INTO items VALUES (100, 'twice', 1)")
		batch.Queue("SELECT 1")
		results := connection.SendBatch(background, batch)
		count := 0
		var err error
		for ; err == nil; count++ {
			_, err = results.Exec()
		}
		fmt.Println(count, words(err))
		results.Close()
		show(connection, "SELECT count(*) FROM items")
	})
	task("copy", func(connection *pgx.Conn) {
		rows := [][]interface{}{}
		lines := &bytes.Buffer{}
		for n := 0; n < 50000; n++ {
			rows = append(rows, []interface{}{int32(n), fmt.Sprint("line ", n)})
			fmt.Fprintf(lines, "%d\tline %d\n", n, n)
		}
		count, err := connection.CopyFrom(background, pgx.Identifier{"copied"}, []string{"n", "line"}, pgx.CopyFromRows(rows))
		fmt.Println(count, err)
		back := &bytes.Buffer{}
		tag, err := connection.PgConn().CopyTo(background, back, "COPY (SELECT * FROM copied ORDER BY n) TO STDOUT")
		fmt.Println(tag, err, bytes.Equal(back.Bytes(), lines.Bytes()))
		_, err = connection.PgConn().CopyFrom(background, strings.NewReader("x\ty\n"), "COPY copied FROM STDIN")
		fmt.Println(words(err))
		show(connection, "SELECT count(*) FROM copied")
	})
	task("large objects", func(connection *pgx.Conn) {
		transaction, err := connection.Begin(background)
		check(err)
		objects := transaction.LargeObjects()
		id, err := objects.Create(background, 0)
		check(err)
		object, err := objects.Open(background, id, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
		check(err)
		_, err = object.Write(bytes.Repeat([]byte("seven"), 200000))
		check(err)
		_, err = object.Seek(999990, 0)
		check(err)
		buffer := make([]byte, 20)
		count, err := object.Read(buffer)
		fmt.Println(count, string(buffer[:count]))
		check(transaction.Commit(background))
	})
	task("notify", func(connection *pgx.Conn) {
		show(connection, "LISTEN news")
		other, err := pgx.Connect(background, address())
		check(err)
		show(other, "NOTIFY news, 'hello'")
		other.Close(background)
		note, err := connection.WaitForNotification(background)
		check(err)
		fmt.Println(note.Channel, note.Payload)
	})
	task("cancel", func(connection *pgx.Conn) {
		other, err := pgx.Connect(background, address())
		check(err)
		defer other.Close(background)
		go func() {
			active := 0
			for active == 0 {
				check(other.QueryRow(background,
					"SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'").Scan(&active))
			}
			check(connection.PgConn().CancelRequest(background))
		}()
		show(connection, "SELECT pg_sleep(60)")
		show(connection, "SELECT 'goes on'")
	})
	task("error fields", func(connection *pgx.Conn) {
		_, err := connection.Exec(background, "INSERT INTO items VALUES (1, 'x', -1)")
		var all *pgconn.PgError
		fmt.Println(errors.As(err, &all))
		fmt.Println(all.Severity, all.Code, all.Message, all.Detail, all.SchemaName, all.TableName, all.ConstraintName, all.File, all.Line, all.Routine)
	})
	task("big results", func(connection *pgx.Conn) {
		rows, err := connection.Query(background, "SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n")
		check(err)
		sum := 0
		for rows.Next() {
			sum += len(rows.RawValues()[1])
		}
		fmt.Println(sum)
		var long string
		check(connection.QueryRow(background, "SELECT repeat('é', 20000000)").Scan(&long))
		fmt.Println(len(long))
	})
	task("refusal", func(connection *pgx.Conn) {
		transaction, err := connection.Begin(background)
		check(err)
		show(connection, "INSERT INTO items VALUES (9000, 'in a transaction', 1)")
		show(connection, "DROP TABLE copied")
		show(connection, "SELECT 1")
		check(transaction.Rollback(background))
		show(connection, "TRUNCATE copied")
		show(connection, "DELETE FROM items WHERE id = $1", 9000)
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO items VALUES (9001, 'before', 1)")
		batch.Queue("DROP TABLE copied")
		batch.Queue("INSERT INTO items VALUES (9002, 'after', 1)")
		results := connection.SendBatch(background, batch)
		err = results.Close()
		if err != nil {
			fmt.Println(words(err))
		}
		show(connection, "SELECT count(*) FROM items WHERE id > 9000")
		show(connection, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
	})
}

func throughPq() {
	guarded("pq", func() {
		database, err := sql.Open("postgres", address())
		check(err)
		defer database.Close()
		_, err = database.Exec("CREATE TABLE IF NOT EXISTS pq_items (id int PRIMARY KEY, name text NOT NULL)")
		check(err)
		statement, err := database.Prepare("INSERT INTO pq_items VALUES ($1, $2)")
		check(err)
		for id := 0; id < 100; id++ {
			_, err = statement.Exec(id, strings.Repeat("x", id))
			check(err)
		}
		_, err = statement.Exec(1, "twice")
		fmt.Println(words(err))
		transaction, err := database.Begin()
		check(err)
		copies, err := transaction.Prepare(pq.CopyIn("pq_items", "id", "name"))
		check(err)
		for id := 1000; id < 20000; id++ {
			_, err = copies.Exec(id, "copied")
			check(err)
		}
		_, err = copies.Exec()
		check(err)
		check(copies.Close())
		check(transaction.Commit())
		var count, sum int
		check(database.QueryRow("SELECT count(*), sum(length(name)) FROM pq_items WHERE id >= $1", 50).Scan(&count, &sum))
		fmt.Println(count, sum)

		limited, cancel := context.WithTimeout(background, 300*time.Millisecond)
		defer cancel()
		_, err = database.ExecContext(limited, "SELECT pg_sleep(60)")
		fmt.Println(words(err))

		transaction, err = database.Begin()
		check(err)
		_, err = transaction.Exec("SELECT 1/0")
		fmt.Println(words(err))
		_, err = transaction.Exec("SELECT 1")
		fmt.Println(words(err))
		check(transaction.Rollback())

		listener := pq.NewListener(address(), time.Second, time.Minute, nil)
		check(listener.Listen("news"))
		_, err = database.Exec("NOTIFY news, 'hello'")
		check(err)
		for note := range listener.Notify {
			if note != nil {
				fmt.Println(note.Channel, note.Extra)
				break
			}
		}
		check(listener.Close())
		_, err = database.Exec("DROP TABLE pq_items")
		if err != nil {
			fmt.Println(words(err))
		}
		check(database.QueryRow("SELECT count(*) FROM pg_tables WHERE tablename = 'pq_items'").Scan(&count))
		fmt.Println(count)
	})
}

func main() {
	throughPgx()
	throughPq()
}
