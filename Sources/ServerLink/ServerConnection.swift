import CLibPQ
import Glibc

/// One connection of Holdfast's own to a server, through libpq. Calls block: never on a loop's thread.
///
/// Used by one thread at a time. Values travel as text; every connection reads and writes UTF-8.
package final class ServerConnection {
    private let connection: OpaquePointer

    /// One server.
    package struct Place: Sendable, Hashable {
        /// A name (what certificates are checked against), an address, or for a Unix-domain socket its folder.
        package var host: String
        /// The numeric address to connect to; empty to look the host up.
        package var address: String
        package var port: String

        package init(host: String, address: String = "", port: String) {
            self.host = host
            self.address = address
            self.port = port
        }
    }

    /// Opens a connection.
    ///
    /// - Parameters:
    ///   - text: a libpq connection string or URI (PostgreSQL manual, "Connection Strings"); what it leaves out libpq takes
    ///     from its environment (PGHOST, PGPASSFILE …).
    ///   - database: used in place of the text's own dbname; nil keeps that.
    ///   - place: used in place of what the text says of the host and the port.
    ///   - connectPatience: how long it may take, in whole seconds; at least two (libpq).
    ///   - purpose: shown in `pg_stat_activity.application_name`, behind `holdfast `.
    /// - Throws: ``ServerFault/unreachable(_:)`` with libpq's words.
    package init(
        _ text: String, database: String? = nil, at place: Place? = nil, purpose: String,
        connectPatience: Duration = .seconds(10)
    ) throws(ServerFault) {
        // A later keyword beats an earlier one, and a dbname that is a connection string is taken apart
        // (conninfo_array_parse, fe-connect.c): so the text comes first, then what overrides it.
        // What comes before the text holds unless it says otherwise: a server that has vanished is noticed within half a
        // minute, for statements of clients may wait for what is asked here.
        var settings: [(String, String)] = [
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "25000"), ("dbname", text),
        ]
        // A database whose name looks like a connection string must not be taken for one: only the first dbname is
        // taken apart.
        if let database { settings.append(("dbname", database)) }
        if let place {
            settings += [("host", place.host), ("hostaddr", place.address), ("port", place.port)]
            // Whatever the environment wants: this one server is meant.
            settings.append(("target_session_attrs", "any"))
        }
        settings += [
            ("client_encoding", "UTF8"), ("application_name", "holdfast \(purpose)"),
            ("connect_timeout", String(connectPatience.components.seconds)),
        ]
        let keywords = settings.map { Self.copy($0.0) } + [nil]
        let values = settings.map { Self.copy($0.1) } + [nil]
        defer { for pointer in keywords + values { pointer?.deallocate() } }
        let opened = keywords.map { UnsafePointer($0) }.withUnsafeBufferPointer { keywords in
            values.map { UnsafePointer($0) }.withUnsafeBufferPointer { values in
                PQconnectdbParams(keywords.baseAddress, values.baseAddress, 1)
            }
        }
        guard let opened else { throw .unreachable("out of memory") }
        guard PQstatus(opened) == CONNECTION_OK else {
            let reason = Self.text(PQerrorMessage(opened))
            PQfinish(opened)
            throw .unreachable(reason)
        }
        // The server's notices are for people at a terminal.
        PQsetNoticeReceiver(opened, { _, _ in }, nil)
        connection = opened
    }

    deinit { PQfinish(connection) }

    /// Whether libpq still believes in the connection.
    package var isAlive: Bool { PQstatus(connection) == CONNECTION_OK }

    /// The server's version as libpq counts it: 150018 is 15.18.
    package var serverVersion: Int { Int(PQserverVersion(connection)) }

    /// The connected database.
    package var database: String { Self.text(PQdb(connection)) }

    /// The role that the connection logged in as.
    package var user: String { Self.text(PQuser(connection)) }

    /// The server of the connection string that answered: a host or the folder of a Unix-domain socket, and the port.
    package var place: (host: String, port: String) {
        (Self.text(PQhost(connection)), Self.text(PQport(connection)))
    }

    /// Where this connection goes, as libpq's environment variables: for a program of PostgreSQL's. Parameters that have no
    /// variable (`sslpassword`, keepalives) are not in it. The password is, if the connection string gave one.
    package var environment: [String: String] {
        var variables: [String: String] = [:]
        guard let options = PQconninfo(connection) else { return [:] }
        defer { PQconninfoFree(options) }
        var option = options
        while option.pointee.keyword != nil {
            if let name = option.pointee.envvar, let value = option.pointee.val, value[0] != 0 {
                variables[Self.text(name)] = Self.text(value)
            }
            option += 1
        }
        // What a service said is among the rest; named again it would beat the variables.
        variables["PGSERVICE"] = nil
        variables["PGSERVICEFILE"] = nil
        variables["PGDATABASE"] = database
        return variables
    }

    /// Runs one statement with parameters `$1` …, and returns its rows.
    ///
    /// - Throws: the server's error, or that the connection broke.
    @discardableResult
    package func query(_ sql: String, _ parameters: [String?] = []) throws(ServerFault) -> ServerRows {
        let values = parameters.map { $0.map(Self.copy) }
        defer { for value in values { value?.deallocate() } }
        let result = values.map { $0.map { UnsafePointer($0) } }.withUnsafeBufferPointer {
            PQexecParams(connection, sql, Int32(parameters.count), nil, $0.baseAddress, nil, nil, 0)
        }
        return try rows(of: result)
    }

    /// Runs a script of several statements in one implicit transaction (or those that it opens itself).
    ///
    /// - Returns: the last statement's rows.
    @discardableResult
    package func run(script: String) throws(ServerFault) -> ServerRows {
        try rows(of: PQexec(connection, script))
    }

    /// The connection's socket, for asking the kernel where it leads; -1 if there is none.
    package var socket: Int32 { PQsocket(connection) }

    /// Runs `COPY … FROM STDIN` with its whole data, in COPY's text format.
    ///
    /// - Throws: the server's error, or that the connection broke.
    package func copy(_ sql: String, _ data: [UInt8]) throws(ServerFault) {
        let started = PQexec(connection, sql)
        guard PQresultStatus(started) == PGRES_COPY_IN else {
            // A statement that succeeds and is no COPY is our own mistake; else this is the server's error.
            _ = try rows(of: started)
            throw .refused(sqlState: "XX000", message: "not a COPY FROM STDIN", detail: nil, hint: nil)
        }
        PQclear(started)
        let pieceByteCount = 1 << 20
        var isSent = true
        data.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while isSent, !rest.isEmpty {
                let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(pieceByteCount))
                isSent =
                    PQputCopyData(
                        connection, piece.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(piece.count)) == 1
                rest = rest.dropFirst(piece.count)
            }
        }
        guard isSent, PQputCopyEnd(connection, nil) == 1 else {
            throw .unreachable(Self.text(PQerrorMessage(connection)))
        }
        var fault: ServerFault?
        // The last of a statement's results is none.
        while let result = PQgetResult(connection) {
            do throws(ServerFault) { _ = try rows(of: result) } catch { fault = error }
        }
        if let fault { throw fault }
    }

    /// The first value that a statement answers, if it comes in time; a connection that has failed to bring it is of no more
    /// use.
    ///
    /// - Throws: the server's error, or that the connection broke or was silent for too long.
    package func value(of sql: String, within patience: Duration) throws(ServerFault) -> String? {
        try query(sql, [], within: patience).value
    }

    /// Runs one statement with parameters `$1` …, and returns its rows if they come in time: a server that has frozen, or a
    /// network that swallows, keeps nobody longer. A connection that was silent for too long is of no more use.
    ///
    /// - Throws: the server's error, or that the connection broke or was silent for too long.
    package func query(
        _ sql: String, _ parameters: [String?], within patience: Duration
    ) throws(ServerFault) -> ServerRows {
        let values = parameters.map { $0.map(Self.copy) }
        defer { for value in values { value?.deallocate() } }
        let isSent = values.map { $0.map { UnsafePointer($0) } }.withUnsafeBufferPointer {
            PQsendQueryParams(connection, sql, Int32(parameters.count), nil, $0.baseAddress, nil, nil, 0)
        }
        guard isSent == 1 else { throw .unreachable(Self.text(PQerrorMessage(connection))) }
        return try answer(within: patience)
    }

    /// Runs a script of several statements, as ``run(script:)`` does, if it ends in time.
    ///
    /// - Returns: the last statement's rows.
    /// - Throws: the server's error, or that the connection broke or was silent for too long.
    @discardableResult
    package func run(script: String, within patience: Duration) throws(ServerFault) -> ServerRows {
        guard PQsendQuery(connection, script) == 1 else {
            throw .unreachable(Self.text(PQerrorMessage(connection)))
        }
        return try answer(within: patience)
    }

    /// The last result of what was sent.
    private func answer(within patience: Duration) throws(ServerFault) -> ServerRows {
        let end = ContinuousClock.now + patience
        var answer = ServerRows(columns: [], rows: [], commandTag: "")
        var fault: ServerFault?
        while true {
            while PQisBusy(connection) == 1 {
                let left = (end - .now) / .milliseconds(1)
                var polled = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
                guard left > 0, poll(&polled, 1, Int32(min(left + 1, 1_000_000))) != 0 else {
                    throw .unreachable("it does not answer")
                }
                guard PQconsumeInput(connection) == 1 else {
                    throw .unreachable(Self.text(PQerrorMessage(connection)))
                }
            }
            // The last of a statement's results is none.
            guard let result = PQgetResult(connection) else { break }
            do throws(ServerFault) {
                answer = try rows(of: result)
            } catch {
                fault = error
            }
        }
        if let fault { throw fault }
        return answer
    }

    private func rows(of result: OpaquePointer?) throws(ServerFault) -> ServerRows {
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: break
        default: throw fault(of: result)
        }
        let columnCount = PQnfields(result)
        let rows = (0..<PQntuples(result)).map { row in
            (0..<columnCount).map { column in
                PQgetisnull(result, row, column) == 1 ? nil : Self.text(PQgetvalue(result, row, column))
            }
        }
        return ServerRows(
            columns: (0..<columnCount).map { Self.text(PQfname(result, $0)) }, rows: rows,
            commandTag: Self.text(PQcmdStatus(result)))
    }

    private func fault(of result: OpaquePointer?) -> ServerFault {
        func field(_ code: Character) -> String? {
            code.asciiValue.flatMap { PQresultErrorField(result, Int32($0)) }.map { String(cString: $0) }
        }
        guard let sqlState = field("C"), isAlive else { return .unreachable(Self.text(PQerrorMessage(connection))) }
        return .refused(sqlState: sqlState, message: field("M") ?? "", detail: field("D"), hint: field("H"))
    }

    private static func text(_ bytes: UnsafePointer<CChar>?) -> String {
        guard let bytes else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: length(bytes)), as: UTF8.self).trimmed
    }

    private static func text(_ bytes: UnsafeMutablePointer<CChar>?) -> String { text(UnsafePointer(bytes)) }

    private static func length(_ bytes: UnsafePointer<CChar>) -> Int {
        var count = 0
        while bytes[count] != 0 { count += 1 }
        return count
    }

    /// A C string; whoever takes it deallocates it.
    private static func copy(_ text: String) -> UnsafeMutablePointer<CChar> {
        let bytes = text.utf8CString
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        bytes.withUnsafeBufferPointer { copy.initialize(from: $0.baseAddress ?? UnsafePointer(copy), count: $0.count) }
        return copy
    }
}

extension String {
    /// Without the line end that libpq puts behind its messages.
    fileprivate var trimmed: String { hasSuffix("\n") ? String(dropLast()) : self }
}
