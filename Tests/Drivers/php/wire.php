<?php
// What an application does through PHP's PDO and pgsql; prints a section for each task (see
// Tests/Drivers/harness/programs.py).

function open(): PDO
{
    $pdo = new PDO(sprintf('pgsql:host=%s;port=%s;dbname=%s', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE')), 'postgres');
    $pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
    return $pdo;
}

function words(Throwable $error): string
{
    if ($error instanceof PDOException && is_array($error->errorInfo)) {
        return $error->errorInfo[0] . ' ' . preg_replace('/^ERROR:\s+/', '', strtok((string) $error->errorInfo[2], "\n"));
    }
    return get_class($error) . ' ' . strtok($error->getMessage(), "\n");
}

function task(string $name, callable $work): void
{
    echo "== $name\n";
    try {
        $work(open());
    } catch (Throwable $error) {
        echo 'FAILED ', words($error), "\n";
    }
}

function show(PDO $pdo, string $sql, ?array $parameters = null): void
{
    try {
        if ($parameters === null) {
            $statement = $pdo->query($sql);
        } else {
            $statement = $pdo->prepare($sql);
            $statement->execute($parameters);
        }
        echo $statement->rowCount(), ' ', json_encode($statement->fetchAll(PDO::FETCH_NUM), JSON_UNESCAPED_UNICODE), "\n";
    } catch (PDOException $error) {
        echo words($error), "\n";
    }
}

task('connect', fn (PDO $pdo) => print(intval($pdo->getAttribute(PDO::ATTR_SERVER_VERSION)) . "\n"));

task('schema', fn (PDO $pdo) => show($pdo, 'CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price >= 0))'));

task('simple', function (PDO $pdo) {
    var_dump($pdo->exec("SELECT 1; INSERT INTO items VALUES (1, 'one', 1); UPDATE items SET price = 2"));
    show($pdo, 'SELECT 1/0');
    show($pdo, 'SELEC');
    show($pdo, 'SELECT 1, NULL');
});

foreach (['prepared' => false, 'prepared, emulated' => true] as $name => $emulated) {
    task($name, function (PDO $pdo) use ($emulated) {
        $pdo->setAttribute(PDO::ATTR_EMULATE_PREPARES, $emulated);
        $statement = $pdo->prepare('SELECT ?::int, ?::text, ?::numeric, ?::float8, ?::boolean, ?::int[], ?::date');
        for ($round = 0; $round < 8; $round++) {
            $statement->execute([$round, "naïve ☃ $round", '123.4567890123', 1 / 3, 'true', '{1,NULL,3}', null]);
            echo json_encode($statement->fetch(PDO::FETCH_NUM), JSON_UNESCAPED_UNICODE), "\n";
        }
        $statement = $pdo->prepare('SELECT length(:data::bytea), :data::bytea');
        $statement->bindValue('data', "\0\1\xff", PDO::PARAM_LOB);
        $statement->execute();
        [$length, $data] = $statement->fetch(PDO::FETCH_NUM);
        echo $length, ' ', bin2hex(stream_get_contents($data)), "\n";
    });
}

task('transactions', function (PDO $pdo) {
    $pdo->beginTransaction();
    show($pdo, "INSERT INTO items VALUES (2, 'two', 2)");
    $pdo->exec('SAVEPOINT here');
    show($pdo, "INSERT INTO items VALUES (2, 'again', 2)");
    show($pdo, 'SELECT 1');
    $pdo->exec('ROLLBACK TO here');
    show($pdo, 'SELECT count(*) FROM items');
    var_dump($pdo->inTransaction());
    $pdo->rollBack();
    show($pdo, 'SELECT count(*) FROM items');
});

task('many inserts', function (PDO $pdo) {
    $statement = $pdo->prepare('INSERT INTO items VALUES (?, ?, ?)');
    $pdo->beginTransaction();
    for ($id = 100; $id < 1100; $id++) {
        $statement->execute([$id, str_repeat('x', $id % 300), $id]);
    }
    $pdo->commit();
    show($pdo, 'SELECT count(*), sum(length(name)) FROM items');
});

task('copy', function (PDO $pdo) {
    show($pdo, 'CREATE TABLE copied (n int, line text)');
    $lines = array_map(fn ($n) => "$n\tline $n\n", range(0, 49999));
    var_dump($pdo->pgsqlCopyFromArray('copied', $lines));
    var_dump($pdo->pgsqlCopyToArray('copied') === $lines);
    try {
        var_dump($pdo->pgsqlCopyFromArray('copied', ["x\ty\n"]));
    } catch (PDOException $error) {
        echo words($error), "\n";
    }
    show($pdo, 'SELECT count(*) FROM copied');
});

task('large objects', function (PDO $pdo) {
    $pdo->beginTransaction();
    $id = $pdo->pgsqlLOBCreate();
    $stream = $pdo->pgsqlLOBOpen($id, 'w');
    fwrite($stream, str_repeat('seven', 200000));
    $stream = null;
    $stream = $pdo->pgsqlLOBOpen($id, 'r');
    fseek($stream, 999990);
    echo fread($stream, 20), "\n";
    $stream = null;
    $pdo->commit();
});

task('cursor', function (PDO $pdo) {
    $pdo->beginTransaction();
    $statement = $pdo->prepare('SELECT n FROM generate_series(1, 10000) n', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
    $statement->execute();
    $sum = 0;
    while ($row = $statement->fetch(PDO::FETCH_NUM)) {
        $sum += $row[0];
    }
    echo $sum, "\n";
    $pdo->rollBack();
});

task('notify', function (PDO $pdo) {
    $pdo->exec('LISTEN news');
    open()->exec("NOTIFY news, 'hello'");
    $note = $pdo->pgsqlGetNotify(PDO::FETCH_ASSOC, 10000);
    echo $note['message'], ' ', $note['payload'], "\n";
});

task('cancel', function (PDO $pdo) {
    $words = sprintf('host=%s port=%s dbname=%s user=postgres', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'));
    $connection = pg_connect($words);
    pg_send_query($connection, 'SELECT pg_sleep(60)');
    do {
        $active = $pdo->query("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'")->fetch();
    } while (!$active);
    var_dump(pg_cancel_query($connection));
    var_dump(pg_fetch_all(pg_query($connection, "SELECT 'goes on'")));
});

task('pgsql', function (PDO $pdo) {
    $words = sprintf('host=%s port=%s dbname=%s user=postgres', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'));
    $connection = pg_connect($words, PGSQL_CONNECT_FORCE_NEW);
    pg_prepare($connection, 'mine', 'SELECT $1::int + $2::int');
    var_dump(pg_fetch_row(pg_execute($connection, 'mine', [1, 2])));
    var_dump(pg_fetch_row(pg_query_params($connection, 'SELECT $1::text', ["it's"])));
    pg_send_query($connection, "INSERT INTO items VALUES (1, 'x', -1)");
    $result = pg_get_result($connection);
    foreach ([PGSQL_DIAG_SQLSTATE, PGSQL_DIAG_MESSAGE_PRIMARY, PGSQL_DIAG_MESSAGE_DETAIL, PGSQL_DIAG_CONSTRAINT_NAME] as $field) {
        echo pg_result_error_field($result, $field), "\n";
    }
    var_dump(pg_copy_from($connection, 'copied', ["1\tagain\n"]));
    var_dump(count(pg_copy_to($connection, 'copied')));
    var_dump(pg_parameter_status($connection, 'server_encoding'), pg_transaction_status($connection));
});

task('big results', function (PDO $pdo) {
    $rows = $pdo->query("SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n")->fetchAll(PDO::FETCH_NUM);
    echo count($rows), ' ', array_sum(array_map(fn ($row) => strlen($row[1]), $rows)), "\n";
    echo strlen($pdo->query("SELECT repeat('é', 10000000)")->fetchColumn()), "\n";
});

task('refusal', function (PDO $pdo) {
    $pdo->beginTransaction();
    show($pdo, "INSERT INTO items VALUES (9000, 'in a transaction', 1)");
    show($pdo, 'DROP TABLE copied');
    show($pdo, 'SELECT 1');
    $pdo->rollBack();
    show($pdo, 'TRUNCATE copied');
    show($pdo, 'DELETE FROM items WHERE id = ?', [9000]);
    show($pdo, 'DROP TABLE items, copied', []);
    show($pdo, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
});
