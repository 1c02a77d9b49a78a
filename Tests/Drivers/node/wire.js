// What an application does through node-postgres; prints a section for each task (see Tests/Drivers/harness/programs.py).

const { Client } = require('pg');

async function open() {
  const client = new Client({ user: 'postgres' });
  await client.connect();
  return client;
}

function words(error) {
  return error.code ? `${error.code} ${error.message.split('\n')[0]}` : String(error);
}

async function task(name, work) {
  console.log(`== ${name}`);
  const client = await open();
  try {
    await work(client);
  } catch (error) {
    console.log('FAILED', words(error));
  }
  await client.end();
}

async function show(client, sql, parameters) {
  try {
    const results = await client.query(sql, parameters);
    for (const result of [results].flat()) console.log(result.command, result.rowCount, JSON.stringify(result.rows));
  } catch (error) {
    console.log(words(error));
  }
}

async function main() {
  await task('connect', async (client) => show(client, 'SHOW server_encoding'));

  await task('schema', async (client) =>
    show(client, 'CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price >= 0))'));

  await task('simple', async (client) => {
    await show(client, "SELECT 1 a; SELECT 2 a, NULL b; INSERT INTO items VALUES (1, 'one', 1); UPDATE items SET price = 2");
    await show(client, 'SELECT 1/0');
    await show(client, 'SELEC');
    await show(client, '');
  });

  await task('prepared', async (client) => {
    const text = 'SELECT $1::int a, $2::text b, $3::bytea c, $4::numeric d, $5::float8 e, $6::boolean f, $7::int[] g, $8::date h';
    for (let round = 0; round < 8; round++) {
      const values = [round, `naïve ☃ ${round}`, Buffer.from([0, 1, 255]), '123.4567890123', 1 / 3, true, [1, null, 3], null];
      await show(client, { name: 'mine', text, values });
      await show(client, { text, values });
    }
    await show(client, { text: 'SELECT $1::int n', values: [7], binary: true });
  });

  await task('transactions', async (client) => {
    await show(client, 'BEGIN');
    await show(client, "INSERT INTO items VALUES (2, 'two', 2)");
    await show(client, 'SAVEPOINT here');
    await show(client, 'INSERT INTO items VALUES ($1, $2, $3)', [2, 'again', 2]);
    await show(client, 'SELECT 1');
    await show(client, 'ROLLBACK TO here');
    await show(client, 'SELECT count(*) FROM items');
    await show(client, 'ROLLBACK');
    await show(client, 'SELECT count(*) FROM items');
  });

  await task('queued', async (client) => {
    const all = [];
    for (let id = 100; id < 1100; id++) {
      all.push(client.query('INSERT INTO items VALUES ($1, $2, $3)', [id, 'x'.repeat(id % 300), id]));
    }
    all.push(client.query('INSERT INTO items VALUES (100, $1, 1)', ['twice']));
    const settled = await Promise.allSettled(all);
    console.log(settled.filter((each) => each.status === 'fulfilled').length);
    for (const each of settled) if (each.status === 'rejected') console.log(words(each.reason));
    await show(client, 'SELECT count(*) FROM items');
  });

  await task('portal in portions', async (client) => {
    await show(client, { text: 'SELECT n FROM generate_series(1, 50) n', rows: 7 });
  });

  await task('cursor', async (client) => {
    await client.query('BEGIN');
    await client.query('DECLARE mine CURSOR FOR SELECT n FROM generate_series(1, 10000) n');
    let sum = 0;
    for (;;) {
      const { rows } = await client.query('FETCH 777 FROM mine');
      if (!rows.length) break;
      for (const row of rows) sum += row.n;
    }
    console.log(sum);
    await client.query('ROLLBACK');
  });

  await task('notify', async (client) => {
    const heard = new Promise((resolve) => client.once('notification', resolve));
    await show(client, 'LISTEN news');
    const other = await open();
    await other.query("NOTIFY news, 'hello'");
    await other.end();
    const note = await heard;
    console.log(note.channel, note.payload);
  });

  await task('cancel', async (client) => {
    const sleeping = client.query('SELECT pg_sleep(60)').catch((error) => console.log(words(error)));
    const other = await open();
    const active = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'";
    while (!(await other.query(active)).rowCount);
    const canceller = new Client({ user: 'postgres' });
    canceller.cancel(client, client.activeQuery);
    await sleeping;
    await other.end();
    await show(client, "SELECT 'goes on' it");
  });

  await task('error fields', async (client) => {
    try {
      await client.query("INSERT INTO items VALUES (1, 'x', -1)");
    } catch ({ severity, code, detail, schema, table, constraint, file, routine }) {
      console.log(severity, code, detail, schema, table, constraint, file, routine);
    }
    client.on('notice', (notice) => console.log(notice.severity, notice.message, notice.hint, notice.detail));
    await client.query("DO $$ BEGIN RAISE WARNING 'careful' USING HINT = 'a hint', DETAIL = 'a detail'; END $$");
  });

  await task('big results', async (client) => {
    const { rows } = await client.query("SELECT n, repeat('x', 100) t FROM generate_series(1, 100000) n");
    console.log(rows.length, rows.reduce((sum, row) => sum + row.t.length, 0));
    console.log((await client.query("SELECT repeat('é', 20000000) t")).rows[0].t.length);
  });

  await task('refusal', async (client) => {
    await show(client, 'CREATE TABLE copied (n int)');
    await show(client, 'BEGIN');
    await show(client, "INSERT INTO items VALUES (9000, 'in a transaction', 1)");
    await show(client, 'DROP TABLE copied');
    await show(client, 'SELECT 1');
    await show(client, 'ROLLBACK');
    await show(client, 'TRUNCATE copied');
    await show(client, 'DELETE FROM items WHERE id = $1', [9000]);
    await show(client, { name: 'drop', text: 'DROP TABLE items, copied', values: [] });
    await show(client, { name: 'drop', text: 'DROP TABLE items, copied', values: [] });
    await show(client, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
  });
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
