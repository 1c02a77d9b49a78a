# What an application does through DBD::Pg; prints a section for each task (see Tests/Drivers/harness/programs.py).
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:pg_types :async);
binmode STDOUT, ':utf8';
$| = 1;

sub open_connection {
    return DBI->connect("dbi:Pg:dbname=$ENV{PGDATABASE};host=$ENV{PGHOST};port=$ENV{PGPORT}", 'postgres', '',
        { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1 });
}

sub words {
    my ($dbh) = @_;
    my ($text) = split /\n/, $dbh->errstr // $@;
    $text =~ s/^ERROR:\s+//;
    return ($dbh->state // '') . " $text";
}

sub task {
    my ($name, $work) = @_;
    print "== $name\n";
    my $dbh = open_connection();
    eval { $work->($dbh); 1 } or print 'FAILED ', $dbh->err ? words($dbh) : $@, "\n";
    $dbh->disconnect;
}

sub show {
    my ($dbh, $sql, @parameters) = @_;
    eval {
        my $statement = $dbh->prepare($sql);
        my $count = $statement->execute(@parameters);
        print "$count\n";
        if ($statement->{NUM_OF_FIELDS}) {
            print join('|', map { $_ // 'NULL' } @$_), "\n" for @{ $statement->fetchall_arrayref };
        }
        1;
    } or print words($dbh), "\n";
}

task 'connect', sub { print int($_[0]{pg_server_version} / 10000), " $_[0]{pg_db} $_[0]{pg_protocol}\n" };

task 'schema', sub {
    show($_[0], 'CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price >= 0))');
};

task 'simple', sub {
    my ($dbh) = @_;
    print $dbh->do("INSERT INTO items VALUES (1, 'one', 1); UPDATE items SET price = 2"), "\n";
    show($dbh, 'SELECT 1/0');
    show($dbh, 'SELEC');
    show($dbh, 'SELECT 1, NULL');
};

for my $direct (0, 1) {
    task "prepared, pg_server_prepare " . (1 - $direct), sub {
        my ($dbh) = @_;
        $dbh->{pg_server_prepare} = 1 - $direct;
        my $statement = $dbh->prepare('SELECT ?::int, ?::text, ?::bytea, ?::numeric, ?::float8, ?::boolean, ?::int[], ?::date');
        for my $round (0 .. 7) {
            $statement->bind_param(3, undef, { pg_type => PG_BYTEA });
            $statement->execute($round, "naïve ☃ $round", "\0\1\xff", '123.4567890123', 1 / 3, 1, [1, undef, 3], undef);
            my @row = $statement->fetchrow_array;
            print join('|', $row[0], $row[1], unpack('H*', $row[2]), @row[3 .. 5], join(',', map { $_ // 'NULL' } @{ $row[6] }),
                $row[7] // 'NULL'), "\n";
        }
    };
}

task 'transactions', sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    show($dbh, "INSERT INTO items VALUES (2, 'two', 2)");
    $dbh->pg_savepoint('here');
    show($dbh, "INSERT INTO items VALUES (2, 'again', 2)");
    print $dbh->ping, "\n";
    show($dbh, 'SELECT 1');
    $dbh->pg_rollback_to('here');
    show($dbh, 'SELECT count(*) FROM items');
    $dbh->rollback;
    print $dbh->ping, "\n";
    show($dbh, 'SELECT count(*) FROM items');
};

task 'execute_array', sub {
    my ($dbh) = @_;
    my $statement = $dbh->prepare('INSERT INTO items VALUES (?, ?, ?)');
    my @ids = 100 .. 1099;
    print $statement->execute_array({}, \@ids, [map { 'x' x ($_ % 300) } @ids], \@ids), "\n";
    show($dbh, 'SELECT count(*), sum(length(name)) FROM items');
};

task 'copy', sub {
    my ($dbh) = @_;
    show($dbh, 'CREATE TABLE copied (n int, line text)');
    $dbh->do('COPY copied FROM STDIN');
    $dbh->pg_putcopydata("$_\tline $_\n") for 0 .. 49999;
    print $dbh->pg_putcopyend, "\n";
    $dbh->do('COPY (SELECT * FROM copied ORDER BY n) TO STDOUT');
    my ($line, $count, $same) = ('', 0, 0);
    while ($dbh->pg_getcopydata($line) >= 0) {
        $same++ if $line eq "$count\tline $count\n";
        $count++;
    }
    print "$count $same\n";
    $dbh->do('COPY copied FROM STDIN');
    $dbh->pg_putcopydata("x\ty\n");
    eval { $dbh->pg_putcopyend; 1 } or print words($dbh), "\n";
    show($dbh, 'SELECT count(*) FROM copied');
};

task 'large objects', sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    my $id = $dbh->pg_lo_creat($dbh->{pg_INV_WRITE} | $dbh->{pg_INV_READ});
    my $object = $dbh->pg_lo_open($id, $dbh->{pg_INV_WRITE} | $dbh->{pg_INV_READ});
    print $dbh->pg_lo_write($object, 'seven' x 200000, 1000000), "\n";
    $dbh->pg_lo_lseek($object, 999990, 0);
    my $buffer = '';
    print $dbh->pg_lo_read($object, $buffer, 20), " $buffer\n";
    $dbh->pg_lo_close($object);
    $dbh->commit;
};

task 'cursor', sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    $dbh->do('DECLARE mine CURSOR FOR SELECT n FROM generate_series(1, 10000) n');
    my $sum = 0;
    while (my @rows = @{ $dbh->selectall_arrayref('FETCH 777 FROM mine') }) { $sum += $_->[0] for @rows }
    print "$sum\n";
    $dbh->rollback;
};

task 'notify', sub {
    my ($dbh) = @_;
    $dbh->do('LISTEN news');
    open_connection()->do("NOTIFY news, 'hello'");
    my $note;
    until ($note = $dbh->pg_notifies) { $dbh->do('SELECT 1') }
    print "$note->[0] $note->[2]\n";
};

task 'cancel', sub {
    my ($dbh) = @_;
    my $watcher = open_connection();
    $dbh->do('SELECT pg_sleep(60)', { pg_async => PG_ASYNC });
    my $active = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'";
    1 until $watcher->selectrow_array($active);
    print $dbh->pg_cancel, "\n";
    show($dbh, "SELECT 'goes on'");
};

task 'error fields', sub {
    my ($dbh) = @_;
    eval { $dbh->do("INSERT INTO items VALUES (1, 'x', -1)") };
    print words($dbh), "\n";
    print join('|', map { $dbh->pg_error_field($_) // 'NULL' } qw(severity state message_detail message_hint table column constraint schema)), "\n";
    local $SIG{__WARN__} = sub { print @_ };
    $dbh->{PrintWarn} = 1;
    $dbh->do("DO \$\$ BEGIN RAISE WARNING 'careful' USING HINT = 'a hint', DETAIL = 'a detail'; END \$\$");
};

task 'big results', sub {
    my ($dbh) = @_;
    my $rows = $dbh->selectall_arrayref("SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n");
    my $sum = 0;
    $sum += length $_->[1] for @$rows;
    print scalar(@$rows), " $sum\n";
    print length $dbh->selectrow_array("SELECT repeat('é', 20000000)"), "\n";
};

task 'refusal', sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    show($dbh, "INSERT INTO items VALUES (9000, 'in a transaction', 1)");
    show($dbh, 'DROP TABLE copied');
    show($dbh, 'SELECT 1');
    $dbh->rollback;
    show($dbh, 'TRUNCATE copied');
    show($dbh, 'DELETE FROM items WHERE id = ?', 9000);
    show($dbh, 'DROP TABLE items, copied');
    show($dbh, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
};
