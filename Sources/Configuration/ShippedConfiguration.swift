/// The `proxy.conf` that Holdfast is shipped with, for commands that run where no file is.
///
/// The same text as the file at the top of the repository; a test compares them. To change it, change the file and copy
/// it here.
package enum ShippedConfiguration {
    // swift-format-ignore
    package static let text = #"""
        # proxy.conf: the settings of Holdfast, in TOML (https://toml.io).
        #
        #   holdfast check                      says what this file does, and what is wrong in it
        #   holdfast classify 'DROP TABLE x'    says what would happen to a statement
        #   kill -HUP <pid of holdfast>         reloads: tags, rules and what is recorded change at once, for open sessions
        #                                       too; a file with an error changes nothing
        #
        # Every key with its default and range: docs/configuration.md. A key that is left out has its default. Unknown keys are
        # errors, so a slip of the pen cannot switch a protection off.


        # ---- Where clients connect, and the server behind ---------------------------------------------------------------

        # Addresses to listen on: "host:port", "[IPv6]:port" or "unix:/path". Loopback only, until you write something else
        # ("0.0.0.0:6543" is every IPv4 address of this machine).
        listen = ["127.0.0.1:6543"]

        # The PostgreSQL server: "host:port", "unix:/var/run/postgresql/.s.PGSQL.5432" (the fastest way to a server on the same
        # machine), or "embedded": a private server for trying Holdfast out, which it starts and stops itself.
        server = "embedded"
        # server = ["db1:5432", "db2:5432"]     # several that stand for each other: docs/routing.md
        # target = "primary"                    # which of them: any, primary, standby, prefer-standby
        # probe = "user=holdfast dbname=postgres"    # who asks them which is the primary

        loops = 0                   # threads that move the traffic; 0 is one for each core
        selector = "auto"           # how they wait for sockets: io_uring while it pays; "epoll" or "io_uring": only so
        max_clients = 1000          # more sessions than this are turned away with an error
        connect_timeout = "10s"     # how long opening a connection to the server may take
        login_timeout = "1m"        # how long it may take until the server has let the client in
        drain_timeout = "30s"       # how long a stop (SIGTERM) waits for running transactions
        auth = "pass-through"       # "pass-through": the server checks passwords; "scram": Holdfast does, see [users]
        max_statement = "16MB"      # longer statements are not held whole but read while they pass, without their long literals
                                    # and rows; where that leaves too much, their class is "oversized"

        send_proxy = false          # true: tell the server by a PROXY header (version 2) whose connection it is: docs/clients.md

        [proxy_protocol]
        from = []                   # load balancers whose connections begin with a PROXY header, by address: ["10.0.0.5"]

        [tcp]                       # on both sides; "0s" and 0 leave it to the kernel
        keepalive_idle = "60s"      # after so long a silence the kernel asks whether the other end is still there,
        keepalive_interval = "10s"  # again after so long without an answer,
        keepalive_count = 6         # and after so many gives the connection up
        user_timeout = "0s"         # how long what was sent may stay unacknowledged (or unread: mind clients that pause)

        [users]                     # for auth = "scram", which lets TLS bind passwords to the channel: docs/authentication.md
        file = ""                   # lines of "user" "SCRAM-SHA-256$…", as pg_authid has them; read again at a reload
        connection = ""             # and, or instead: libpq connection string of a role that may read pg_authid, or run "query"
        cache = "0s"                # how long what the connection answered is believed

        [client_tls]                # TLS between clients and Holdfast: docs/tls.md
        mode = "off"                # off; allow or prefer: as the client wants; require: nobody comes by TCP without TLS
        # certificate = "server.crt"          # PEM, with its intermediates; read again at a reload
        # key = "server.key"                  # PEM, without a passphrase, readable for nobody else
        # client_ca = "clients-ca.crt"        # authorities of clients' certificates
        # client_certificates = "verify-full" # off, optional, verify-ca, or verify-full: the common name is the role
        minimum_version = "1.2"     # or "1.3"

        [server_tls]                # TLS between Holdfast and the server, with libpq's words
        mode = "disable"            # disable, prefer, require, verify-ca, or verify-full: the certificate is the server's
        # ca = "server-ca.crt"                # authorities of the server's certificate; left out: the system's

        # [[upstream]]              # servers of certain databases; all others go to "server"
        # name = "billing"
        # databases = ["billing", "billing_*"]
        # server = "billing-db:5432"

        [embedded]
        data = "var/embedded"       # its data folder; relative paths start in the folder of this file
        user = "postgres"           # the system user it runs as when Holdfast is started by root
        bin = ""                    # the folder of initdb and postgres; "" is the newest that is installed

        [catalog]
        # Holdfast reads from the catalog which functions, triggers, rules, views … are in a database and what they may do: a
        # statement that uses one has its classes. For that it needs a connection of its own, as a role that may connect to every
        # guarded database (libpq connection string; no database name). "" is none, but for the embedded server; "off" is none.
        connection = ""             # "host=db.example user=holdfast password=…"
        refresh = "1m"              # how often it looks again, apart from every session's begin and after every DDL seen
        wait = "5s"                 # how long a session's first statement waits for the catalog
        missing = "opaque"          # while it cannot be read, calls of functions not PostgreSQL's own are "opaque", or pass: "mark"

        [log]
        level = "info"              # trace, debug, info, notice, warning, error or critical; goes to standard error

        [audit]
        file = "var/audit.jsonl"    # one JSON object a line
        durability = "fsync"        # "fsync": a recorded statement is on the disk before the server sees it; "write": in the
                                    # kernel (faster; lost with the machine's power); "async": in memory (lost with Holdfast, too)
        rotate_size = "256MB"       # a file of that size, or that old, is closed and compressed: audit-000001.jsonl.zst
        rotate_interval = "24h"
        keep_files = 0              # so many closed files are kept; 0: all
        checkpoints = []            # files on other machines' or mounts' storage that are told how far the trail has come
        # What is recorded although it is allowed (classes and groups, as in rules below). Whatever a rule blocks or warns about
        # and every statement that changes the catalog ("ddl") are always recorded.
        record = ["ddl", "table_loss", "data_loss", "opaque", "escape", "do_block"]
        sessions = "active"         # whose beginning and end is recorded: "active": where something else is; "guarded"; "all"; "none"
        max_text = "1MB"            # of a longer statement: beginning, end, length and hash
        parameters = false          # true: also the values that a recorded statement's parameters are bound to

        # [[audit.sink]]                # besides the files, for each place one block; docs/audit-sinks.md
        # name = "siem"
        # type = "syslog"               # or "postgresql", "stdout", "file"
        # address = "siem.internal:6514"
        # tls = true
        # format = "ocsf"               # or "json": the trail's own lines

        [guard]                     # the second wall, inside the databases ("holdfast guard install"); docs/audit.md, "Unseen DDL"
        connection = ""             # how Holdfast's own role reaches it: "host=localhost user=holdfast dbname=shop"; "" is not at all.
                                    # A password belongs into libpq's password file (~/.pgpass), not in here.
        databases = []              # the databases whose DDL is compared with the trail; [] is the one that "connection" names
        watch = "10s"               # how often; "off" is never

        [snapshots]                 # what a loss that the rules let pass would take is dumped first: docs/snapshots.md
        folder = ""                 # where to, "var/snapshots"; "" takes none
        connection = ""             # how Holdfast's own role reaches the server; "" is as in [guard], else as in [catalog]
        databases = []              # names or patterns ("shop_*") of the databases that it is about; [] is all
        tags = ["production"]       # the same of tags; "*" is all
        # classes = ["drop_table"]  # which statements wait; left out: whatever loses tables, columns or all rows of one
        max_size = "1GB"            # the most that one snapshot may have on the disk
        timeout = "1m"              # the longest that a statement waits for its snapshot
        lock_timeout = "5s"         # the longest that a snapshot waits for locks of others
        beyond = "refuse"           # what becomes of a statement whose snapshot would be larger or take longer; "schema-only": it passes, and
                                    # the snapshot holds the definitions, not the rows
        unknown = "refuse"          # the same where it is not known what would go; "database": the snapshot holds every table
        keep_count = 0              # so many snapshots are kept, the newest; 0 is all
        keep_age = "off"            # none is kept for longer, "2160h"
        keep_size = "off"           # all together may have so much, "100GB": of more the oldest go
        pg_dump = ""                # its path, "/usr/lib/postgresql/15/bin/pg_dump"; "" is looked for. pg_restore and psql stand beside it

        # ---- Limits: docs/limits.md -------------------------------------------------------------------------------------

        [limits]
        max_logins = 0              # connections that have not logged in yet: of more, the oldest silent ones are ended; 0 is max_clients
        connect_rate = "off"        # how often one address may connect: "50/s", "600/m", "off"
        session_memory = "256MB"    # the most that Holdfast itself may hold for one session

        # Each [[limit]] block is about the sessions that it matches: tags, users and databases are lists with * and ?, and left
        # out they are all. Every "clients" holds; of timeouts, the first block that gives one decides ("off" is a decision too).
        #   clients                       sessions at once; with each = "user", "database", "tag" or "address", of each of those
        #   idle_timeout                  ends a session that does nothing
        #   idle_in_transaction_timeout   ends a session that does nothing and holds a transaction open
        #   query_timeout                 cancels a statement that runs longer

        # [[limit]]
        # name = "reports"
        # users = ["report_*"]
        # clients = 20
        # query_timeout = "5m"
        #
        # [[limit]]
        # name = "everybody"
        # tags = ["production"]
        # clients = 100
        # each = "user"
        # idle_in_transaction_timeout = "10m"


        # Watches: is every table there ("holdfast watch", and "holdfast serve" on an interval)? docs/watch.md.
        # [[watch]]
        # name = "shop"
        # connection = "host=localhost user=holdfast dbname=shop"
        # migrations_folder = "/srv/shop/migrations"
        # recover_connection = "host=localhost user=shop_owner dbname=shop"    # for "holdfast recover": docs/recover.md
        #
        # Databases that say themselves that they are production ("holdfast mark production"): docs/marker.md.
        # [marker]
        # connection = "host=localhost user=holdfast"


        # ---- Tags: which environment a connection belongs to ------------------------------------------------------------
        #
        # Every connection has exactly one tag, fixed when it starts. The [[tag]] blocks are tried from top to bottom; the first
        # one that matches gives the tag. A connection that none matches is tagged "production": what is not known is guarded.
        #
        # Conditions are lists. All conditions that a block gives must hold; of a list, any one entry is enough.
        #   database           database names; "*" is any run of characters, "?" exactly one; upper and lower case differ
        #   user               role names, in the same way
        #   application_name   what the client calls itself, in the same way
        #   client             client addresses: "10.1.2.3", "10.0.0.0/8", "fd00::/8", or "local" for a Unix-domain socket
        #   listener           which of the addresses under "listen" the client came in by, written as there
        #   certificate        the subject of the client's certificate ([client_tls]), as "CN=ci,*"
        #   os_user            the operating-system user of a client on a Unix-domain socket, in the same way
        #
        # A client chooses its application_name freely. A block with no other condition could be used by anybody to step out of
        # "production", so it is an error unless the block says trust_application_name = true.

        [[tag]]
        name = "test"
        database = ["test", "test_*", "*_test"]

        # [[tag]]
        # name = "staging"
        # database = ["shop_staging"]
        # client = ["10.20.0.0/16", "local"]


        # ---- Rules: what is refused -------------------------------------------------------------------------------------
        #
        # A statement is taken apart into effects: a class (what is done), and the object it is done to. For each effect the
        # rules are tried from top to bottom, and the first rule that matches decides it; an effect that no rule matches is
        # allowed. The strictest decision over all effects decides the whole text that the client sent: "block" before "warn"
        # before "allow". So one blocked table in a long DROP TABLE, or one blocked statement among ten in a message, and none
        # of it is run.
        #
        #   name      shown in refusals and in the audit trail
        #   tags      which tags the rule is for (patterns with * and ?); left out: all
        #   classes   what is done: classes and groups of classes, see below
        #   objects   to which objects; left out: any
        #   except    what the rule leaves alone: except = { users = ["dba"], databases = ["scratch"], objects = ["tmp_*"] }
        #   action    "block": refuse; "warn": pass, with a notice to the client and a mark in the audit trail; "allow": pass
        #   message   your words for the person who is refused; hint: what to do instead
        #
        # Groups:  table_loss   a table, schema or database disappears, or is no longer found under its name (DROP, RENAME, SET
        #                       SCHEMA, DETACH PARTITION, CASCADE from anything that tables can hang on)
        #          data_loss    rows, columns or values are lost and the table stays (TRUNCATE, DELETE and UPDATE without WHERE,
        #                       DROP COLUMN)
        #          ddl          every statement that changes the catalog
        #          opaque       statements that cannot be read, and so not be judged (dynamic SQL, unknown syntax, too long)
        #          escape       ways out of what can be read (programs, server files, other servers, untrusted languages)
        #          any          everything that has a class; plain SELECT, INSERT, and UPDATE and DELETE with WHERE have none
        # Classes: drop_table, drop_column, truncate, rename, … : the list is in docs/configuration.md, and
        #          "holdfast classify" tells those of a statement.
        #
        # Objects are written "users", "public.users", "public.*" or "public.users.email", with * and ?, in the spelling that
        # PostgreSQL stores (lower case unless the name was quoted). A kind may stand in front: "table:public.*",
        # "schema:archive", "role:app", "file:/srv/import/*". Holdfast reads the statement, not the catalog: it does not know
        # which schema an unqualified name will be found in. Every such doubt goes to the safe side:
        #   - for "block" and "warn", whatever could be meant matches. "public.users" also matches DROP TABLE users, DROP SCHEMA
        #     public, anything with CASCADE, and an effect that names no object (a statement that cannot be read). "users"
        #     matches users in every schema.
        #   - for "allow" and under "except", only what is certain matches. "scratch.*" matches DROP TABLE scratch.a, not DROP
        #     TABLE a; "a" matches DROP TABLE a, not DROP TABLE public.a; "*.a" matches both; "*" matches every named object.
        #   - tables named as temporary (pg_temp.a) are not production tables: no rule about table_loss or data_loss matches.
        # An "allow" rule must stand above the rule that it relaxes.

        # Example: a schema that the application may empty and drop tables in.
        # [[rule]]
        # name = "scratch is free"
        # tags = ["production"]
        # classes = ["drop_table", "truncate"]
        # objects = ["scratch.*"]
        # action = "allow"

        [[rule]]
        name = "keep tables"
        tags = ["production"]
        classes = ["table_loss"]
        action = "block"
        message = "this would make tables disappear, and this connection is tagged production"
        hint = "For tests, point DATABASE_URL at a disposable database, for example one whose name ends in _test. If it must be done here, ask the keeper of proxy.conf for an exception."

        [[rule]]
        name = "keep rows"
        tags = ["production"]
        classes = ["truncate"]
        action = "block"
        message = "this would empty whole tables, and this connection is tagged production"
        hint = "For tests, use a disposable database. To remove certain rows, use DELETE with a WHERE clause."

        [[rule]]
        name = "readable statements only"
        tags = ["production"]
        classes = ["opaque"]
        action = "block"
        message = "this statement cannot be read well enough to know that it keeps the tables"
        hint = "Write it as plain SQL: without dynamic SQL, in a syntax that the server knows, and not larger than can be read."

        [[rule]]
        name = "no ways out"
        tags = ["production"]
        classes = ["escape"]
        action = "block"
        message = "this could do things on the server that cannot be read from the statement"
        hint = "If the application needs it, ask the keeper of proxy.conf for an exception by user or by object."

        """#
}
