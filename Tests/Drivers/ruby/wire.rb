# What an application does through Ruby's pg; prints a section for each task (see Tests/Drivers/harness/programs.py).

require 'pg'

def task(name)
  puts "== #{name}"
  connection = PG.connect
  yield connection
rescue StandardError => error
  puts "FAILED #{words(error)}"
ensure
  connection&.close
end

def words(error)
  return error.inspect unless error.is_a?(PG::Error) && error.result
  result = error.result
  "#{result.error_field(PG::PG_DIAG_SQLSTATE)} #{result.error_field(PG::PG_DIAG_MESSAGE_PRIMARY)}"
end

def show(connection, sql, parameters = nil)
  result = parameters ? connection.exec_params(sql, parameters) : connection.exec(sql)
  puts result.cmd_status
  result.values.each { |row| puts row.map(&:inspect).join('|') }
rescue PG::Error => error
  puts words(error)
end

task('connect') { |c| puts c.server_version / 10_000, c.parameter_status('server_encoding'), c.db, c.protocol_version }

task('schema') do |c|
  show c, 'CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price >= 0))'
end

task('simple') do |c|
  c.send_query("SELECT 1; SELECT 2, NULL; INSERT INTO items VALUES (1, 'one', 1); UPDATE items SET price = 2")
  while (result = c.get_result)
    puts result.cmd_status, result.values.inspect
  end
  show c, 'SELECT 1/0'
  show c, 'SELEC'
  show c, ''
end

task('prepared') do |c|
  c.prepare('mine', 'SELECT $1::int, $2::text, $3::bytea, $4::numeric, $5::float8, $6::boolean, $7::int[], $8::date')
  8.times do |round|
    bytes = { value: "\0\x01\xff".b, format: 1 }
    row = c.exec_prepared('mine', [round, "naïve ☃ #{round}", bytes, '123.4567890123', 1.0 / 3, round.even?, '{1,NULL,3}', nil])
    puts row.values.inspect
  end
  puts c.describe_prepared('mine').nfields
  show c, 'DEALLOCATE mine'
  begin
    c.exec_prepared('mine', [])
  rescue PG::Error => error
    puts words(error)
  end
end

task('transactions') do |c|
  show c, 'BEGIN'
  show c, "INSERT INTO items VALUES (2, 'two', 2)"
  show c, 'SAVEPOINT here'
  show c, "INSERT INTO items VALUES (2, 'again', 2)"
  puts c.transaction_status
  show c, 'SELECT 1'
  show c, 'ROLLBACK TO here'
  show c, 'SELECT count(*) FROM items'
  show c, 'ROLLBACK'
  puts c.transaction_status
  show c, 'SELECT count(*) FROM items'
end

task('pipeline') do |c|
  c.enter_pipeline_mode
  500.times { |n| c.send_query_params('INSERT INTO items VALUES ($1, $2, $3)', [100 + n, 'x' * n, n]) }
  c.pipeline_sync
  c.send_query_params('INSERT INTO items VALUES ($1, $2, $3)', [100, 'twice', 1])
  c.send_query_params('SELECT 1', [])
  c.pipeline_sync
  c.send_query_params('SELECT count(*) FROM items', [])
  c.pipeline_sync
  statuses = Hash.new(0)
  syncs = 0
  while syncs < 3
    result = c.get_result
    next if result.nil?
    status = result.res_status(result.result_status)
    statuses[status] += 1
    puts result.error_field(PG::PG_DIAG_MESSAGE_PRIMARY) if status == 'PGRES_FATAL_ERROR'
    puts result.values.inspect if result.ntuples.positive?
    syncs += 1 if status == 'PGRES_PIPELINE_SYNC'
    result.clear
  end
  puts statuses.sort.inspect
  c.exit_pipeline_mode
end

task('copy') do |c|
  show c, 'CREATE TABLE copied (n int, line text)'
  lines = (0...50_000).map { |n| "#{n}\tline #{n}\n" }
  result = c.copy_data('COPY copied FROM STDIN') { lines.each { |line| c.put_copy_data(line) } }
  puts result.cmd_status
  back = []
  c.copy_data('COPY (SELECT * FROM copied ORDER BY n) TO STDOUT') do
    while (line = c.get_copy_data)
      back << line
    end
  end
  puts back == lines
  begin
    c.copy_data('COPY copied FROM STDIN') { c.put_copy_data("x\ty\n") }
  rescue PG::Error => error
    puts words(error)
  end
  begin
    c.copy_data('COPY copied FROM STDIN') { raise ArgumentError, 'given up' }
  rescue ArgumentError => error
    puts error.message
  end
  show c, 'SELECT count(*) FROM copied'
end

task('large objects') do |c|
  c.transaction do
    id = c.lo_creat
    object = c.lo_open(id, PG::INV_READ | PG::INV_WRITE)
    c.lo_write(object, 'seven' * 200_000)
    c.lo_lseek(object, 999_990, PG::SEEK_SET)
    puts c.lo_read(object, 20)
    c.lo_close(object)
  end
end

task('cursor') do |c|
  c.transaction do
    c.exec('DECLARE mine CURSOR FOR SELECT n FROM generate_series(1, 10000) n')
    sum = 0
    while (rows = c.exec('FETCH 777 FROM mine')).ntuples.positive?
      sum += rows.column_values(0).sum(&:to_i)
    end
    puts sum
  end
end

task('single rows') do |c|
  c.send_query('SELECT n FROM generate_series(1, 1000) n')
  c.set_single_row_mode
  sum = 0
  c.get_result.stream_each_row { |row| sum += row[0].to_i }
  puts sum
end

task('notify') do |c|
  show c, 'LISTEN news'
  PG.connect { |other| other.exec("NOTIFY news, 'hello'") }
  c.wait_for_notify(10) { |channel, _, payload| puts "#{channel} #{payload}" }
end

task('cancel') do |c|
  watcher = PG.connect
  c.send_query('SELECT pg_sleep(60)')
  active = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
  nil until watcher.exec(active).ntuples == 1
  puts c.cancel.inspect
  begin
    c.get_last_result
  rescue PG::Error => error
    puts words(error)
  end
  watcher.close
  show c, "SELECT 'goes on'"
end

task('error fields') do |c|
  begin
    c.exec("INSERT INTO items VALUES (1, 'x', -1)")
  rescue PG::Error => error
    letters = 'SVCMDHPpqWstcdnFLR'.chars
    puts letters.map { |letter| error.result.error_field(letter.ord).inspect }.join(' ')
  end
  notices = []
  c.set_notice_receiver { |result| notices << result.error_message }
  c.exec("DO $$ BEGIN RAISE WARNING 'careful' USING HINT = 'a hint', DETAIL = 'a detail'; END $$")
  puts notices
end

task('big results') do |c|
  rows = c.exec("SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n")
  puts rows.ntuples, rows.column_values(1).sum(&:length)
  puts c.exec("SELECT repeat('é', 20000000)").getvalue(0, 0).length
end

task('refusal') do |c|
  show c, 'BEGIN'
  show c, "INSERT INTO items VALUES (9000, 'in a transaction', 1)"
  show c, 'DROP TABLE copied'
  show c, 'SELECT 1'
  show c, 'ROLLBACK'
  show c, 'TRUNCATE copied'
  show c, 'DELETE FROM items WHERE id = $1', [9000]
  show c, 'DROP TABLE items, copied', []
  show c, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
end
