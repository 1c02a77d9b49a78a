// What an application does through JDBC; prints a section for each task (see Tests/Drivers/harness/programs.py).

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.Arrays;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

public class Wire {
    interface Task {
        void run(Connection connection) throws Exception;
    }

    static Connection open(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", "postgres");
        for (int index = 0; index < options.length; index += 2) properties.setProperty(options[index], options[index + 1]);
        return DriverManager.getConnection(
            "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"),
            properties);
    }

    static void task(String name, Task work, String... options) {
        System.out.println("== " + name);
        try (Connection connection = open(options)) {
            work.run(connection);
        } catch (Exception error) {
            System.out.println("FAILED " + words(error));
        }
    }

    static String words(Throwable error) {
        if (error instanceof SQLException) {
            SQLException sql = (SQLException) error;
            return sql.getSQLState() + " " + String.valueOf(sql.getMessage()).split("\n")[0].replaceFirst("^ERROR: ", "");
        }
        return error.toString();
    }

    static void show(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            boolean rows = statement.execute(sql);
            while (true) {
                if (rows) {
                    ResultSet result = statement.getResultSet();
                    int columns = result.getMetaData().getColumnCount();
                    while (result.next()) {
                        StringBuilder line = new StringBuilder();
                        for (int column = 1; column <= columns; column++) line.append(result.getString(column)).append('|');
                        System.out.println(line);
                    }
                } else if (statement.getUpdateCount() >= 0) {
                    System.out.println("count " + statement.getUpdateCount());
                } else {
                    return;
                }
                rows = statement.getMoreResults();
            }
        } catch (SQLException error) {
            System.out.println(words(error));
        }
    }

    static void prepared(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT ?::int, ?::bigint, ?::text, ?::bytea, ?::numeric, ?::float8, ?::boolean, ?::int[], ?::date, ?::text")) {
            // The driver changes to a named statement and to binary results after five times.
            for (int round = 0; round < 8; round++) {
                statement.setInt(1, round);
                statement.setLong(2, Long.MIN_VALUE + round);
                statement.setString(3, "naïve ☃ " + round);
                statement.setBytes(4, new byte[] {0, 1, (byte) round, (byte) 255});
                statement.setBigDecimal(5, new BigDecimal("12345678901234567890.0123456789"));
                statement.setDouble(6, 1.0 / 3);
                statement.setBoolean(7, round % 2 == 0);
                statement.setArray(8, connection.createArrayOf("int4", new Integer[] {1, null, round}));
                statement.setDate(9, java.sql.Date.valueOf("2024-02-29"));
                statement.setNull(10, Types.VARCHAR);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    System.out.println(row.getInt(1) + " " + row.getLong(2) + " " + row.getString(3) + " "
                        + Arrays.toString(row.getBytes(4)) + " " + row.getBigDecimal(5) + " " + row.getDouble(6) + " "
                        + row.getBoolean(7) + " " + row.getArray(8) + " " + row.getDate(9) + " " + row.getString(10));
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        task("connect", connection -> {
            System.out.println(connection.getMetaData().getDatabaseProductName() + " " + connection.getCatalog());
            show(connection, "SHOW application_name");
        });
        task("schema", connection -> show(connection,
            "CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price >= 0))"));
        task("simple", connection -> {
            show(connection, "SELECT 1; SELECT 2, NULL; INSERT INTO items VALUES (1, 'one', 1); UPDATE items SET price = 2");
            show(connection, "SELECT 1/0");
            show(connection, "SELEC");
            show(connection, "");
        });
        task("simple protocol only", connection -> show(connection, "SELECT 1; SELECT 2; SELECT 1/0; SELECT 3"),
            "preferQueryMode", "simple");
        task("prepared", Wire::prepared);
        task("prepared, never named", Wire::prepared, "prepareThreshold", "0");
        task("transactions", connection -> {
            connection.setAutoCommit(false);
            show(connection, "INSERT INTO items VALUES (2, 'two', 2)");
            java.sql.Savepoint savepoint = connection.setSavepoint("here");
            show(connection, "INSERT INTO items VALUES (2, 'again', 2)");
            show(connection, "SELECT 1");
            connection.rollback(savepoint);
            show(connection, "SELECT count(*) FROM items");
            connection.rollback();
            show(connection, "SELECT count(*) FROM items");
            connection.commit();
        });
        task("batch", connection -> {
            try (PreparedStatement statement = connection.prepareStatement("INSERT INTO items VALUES (?, ?, ?)")) {
                for (int id = 100; id < 3100; id++) {
                    statement.setInt(1, id);
                    statement.setString(2, "x".repeat(id % 300));
                    statement.setBigDecimal(3, BigDecimal.valueOf(id));
                    statement.addBatch();
                }
                System.out.println(Arrays.stream(statement.executeBatch()).filter(count -> count == 1).count());
                for (int id : new int[] {5000, 100, 5001}) {
                    statement.setInt(1, id);
                    statement.setString(2, "y");
                    statement.setBigDecimal(3, BigDecimal.ONE);
                    statement.addBatch();
                }
                statement.executeBatch();
            } catch (BatchUpdateException error) {
                System.out.println(words(error.getNextException()) + " " + Arrays.toString(error.getUpdateCounts()));
            }
            show(connection, "SELECT count(*) FROM items");
        });
        task("copy", connection -> {
            show(connection, "CREATE TABLE copied (n int, line text)");
            StringBuilder lines = new StringBuilder();
            for (int n = 0; n < 50_000; n++) lines.append(n).append("\tline ").append(n).append('\n');
            byte[] data = lines.toString().getBytes(StandardCharsets.UTF_8);
            var copies = connection.unwrap(PGConnection.class).getCopyAPI();
            System.out.println(copies.copyIn("COPY copied FROM STDIN", new ByteArrayInputStream(data)));
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            System.out.println(copies.copyOut("COPY (SELECT * FROM copied ORDER BY n) TO STDOUT", out));
            System.out.println(Arrays.equals(out.toByteArray(), data));
            try {
                copies.copyIn("COPY copied FROM STDIN", new ByteArrayInputStream("x\ty\n".getBytes()));
            } catch (SQLException error) {
                System.out.println(words(error));
            }
            show(connection, "SELECT count(*) FROM copied");
        });
        task("large objects", connection -> {
            connection.setAutoCommit(false);
            LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
            long id = manager.createLO(LargeObjectManager.READWRITE);
            LargeObject object = manager.open(id, LargeObjectManager.READWRITE);
            byte[] data = new byte[1_000_000];
            Arrays.fill(data, (byte) 7);
            object.write(data);
            object.seek(999_990);
            System.out.println(object.size() + " " + Arrays.toString(object.read(20)));
            object.close();
            connection.commit();
        });
        task("cursor", connection -> {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(777);
                long sum = 0;
                try (ResultSet rows = statement.executeQuery("SELECT n FROM generate_series(1, 10000) n")) {
                    while (rows.next()) sum += rows.getLong(1);
                }
                System.out.println(sum);
            }
        });
        task("notify", connection -> {
            show(connection, "LISTEN news");
            try (Connection other = open()) {
                show(other, "NOTIFY news, 'hello'");
            }
            for (var note : connection.unwrap(PGConnection.class).getNotifications(10_000))
                System.out.println(note.getName() + " " + note.getParameter());
        });
        task("cancel", connection -> {
            try (Statement statement = connection.createStatement()) {
                Thread canceller = new Thread(() -> {
                    try (Connection watcher = open(); Statement look = watcher.createStatement()) {
                        while (true) {
                            try (ResultSet row = look.executeQuery(
                                    "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'")) {
                                if (row.next()) break;
                            }
                        }
                        statement.cancel();
                    } catch (SQLException error) {
                        System.out.println("FAILED " + words(error));
                    }
                });
                canceller.start();
                try {
                    statement.execute("SELECT pg_sleep(60)");
                } catch (SQLException error) {
                    System.out.println(words(error));
                }
                canceller.join();
            }
            show(connection, "SELECT 'goes on'");
        });
        task("error fields", connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("INSERT INTO items VALUES (1, 'x', -1)");
            } catch (org.postgresql.util.PSQLException error) {
                var fields = error.getServerErrorMessage();
                System.out.println(fields.getSQLState() + " " + fields.getConstraint() + " " + fields.getTable() + " "
                    + fields.getSchema() + " " + fields.getDetail());
            }
            try (Statement statement = connection.createStatement()) {
                statement.execute("DO $$ BEGIN RAISE WARNING 'careful' USING HINT = 'a hint', DETAIL = 'a detail'; END $$");
                for (var warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning())
                    System.out.println(words(warning));
            }
        });
        task("big results", connection -> {
            try (Statement statement = connection.createStatement();
                    ResultSet rows = statement.executeQuery("SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n")) {
                long count = 0;
                while (rows.next()) count += rows.getString(2).length();
                System.out.println(count);
            }
            try (Statement statement = connection.createStatement();
                    ResultSet rows = statement.executeQuery("SELECT repeat('é', 20000000)")) {
                rows.next();
                System.out.println(rows.getString(1).length());
            }
        });
        task("refusal", connection -> {
            connection.setAutoCommit(false);
            show(connection, "INSERT INTO items VALUES (9000, 'in a transaction', 1)");
            show(connection, "DROP TABLE copied");
            show(connection, "SELECT 1");
            connection.rollback();
            connection.setAutoCommit(true);
            show(connection, "TRUNCATE copied");
            try (PreparedStatement statement = connection.prepareStatement("DELETE FROM items WHERE id = ?")) {
                statement.setInt(1, 9000);
                System.out.println(statement.executeUpdate());
            }
            show(connection, "DROP TABLE items, copied");
            show(connection, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
        });
    }
}
