import PostgresWire

/// What a PostgreSQL server does with messages, as far as it shows on the wire: `PostgresMain` (tcop/postgres.c),
/// `CopyGetData` (commands/copyfromparse.c) and what names mean. It knows only the texts of ``ModelStatement``.
///
/// It is written from the server's source and knows nothing of Holdfast, so that the two can be held against each other.
struct ModelServer {
    enum Transaction: Character {
        case idle = "I"
        case open = "T"
        case failed = "E"
    }

    /// What it has said and flushed.
    private(set) var output: [UInt8] = []
    /// The texts that it has run, in order, with the number of the message that made it do so.
    private(set) var ran: [(text: String, message: Int)] = []
    /// It has ended the connection.
    private(set) var hasEnded = false
    /// Messages taken so far.
    private(set) var messageCount = 0

    /// Texts that it takes for nonsense, whatever else they mean.
    private let refused: Set<String>
    private var unflushed: [UInt8] = []
    private var transaction = Transaction.idle
    private var isSkipping = false
    private var statements: [[UInt8]: String] = [:]
    private var portals: [[UInt8]: Portal] = [:]
    /// A COPY FROM STDIN that runs, and what comes after it in its Query.
    private var copy: (isSimple: Bool, rest: [ModelStatement])?

    private struct Portal {
        var text: String
        var statement: ModelStatement?
        var isDone = false
    }

    private struct Failure: Error {
        var code: String
        var message = "no"
    }

    init(refused: Set<String> = []) { self.refused = refused }

    /// Takes the output that is there.
    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(output.prefix(count))
        output.removeFirst(taken.count)
        return taken
    }

    /// Something that comes by itself, between two messages.
    mutating func announce(_ message: [UInt8]) {
        guard !hasEnded else { return }
        unflushed += message
        flush()
    }

    /// Everything that it holds back.
    mutating func flush() {
        output += unflushed
        unflushed = []
    }

    /// Takes one whole message.
    mutating func take(message: [UInt8]) {
        guard !hasEnded, let type = message.first else { return }
        messageCount += 1
        let body = message.dropFirst(FrameSplitter.headerByteCount)
        if copy != nil { return copyMessage(type, body) }
        switch type {
        case UInt8(ascii: "X"):
            hasEnded = true
            return flush()
        case UInt8(ascii: "S"):
            isSkipping = false
            endImplicitTransaction()
            return ready()
        case UInt8(ascii: "d"), UInt8(ascii: "c"), UInt8(ascii: "f"):
            return
        default:
            break
        }
        guard !isSkipping else { return }
        do {
            switch type {
            case UInt8(ascii: "Q"): try query(Self.text(body))
            case UInt8(ascii: "F"):
                if transaction == .failed { throw Failure(code: "25P02") }
                say("V", [0xFF, 0xFF, 0xFF, 0xFF])
                endImplicitTransaction()
                ready()
            case UInt8(ascii: "P"): try parse(body)
            case UInt8(ascii: "B"): try bind(body)
            case UInt8(ascii: "D"): try describe(body)
            case UInt8(ascii: "E"): try execute(Self.name(body))
            case UInt8(ascii: "C"):
                let name = Self.name(body.dropFirst())
                if body.first == UInt8(ascii: "S") { statements[name] = nil } else { portals[name] = nil }
                say("3")
            case UInt8(ascii: "H"): flush()
            default: throw Failure(code: "08P01")
            }
        } catch let failure as Failure {
            failed(failure, isSimple: type == UInt8(ascii: "Q") || type == UInt8(ascii: "F"))
        } catch {
            hasEnded = true
        }
    }

    // MARK: - Messages

    private mutating func query(_ text: String) throws {
        endImplicitTransaction()
        statements[[]] = nil
        try run(try statements(of: text), inQuery: true)
    }

    private mutating func run(_ all: [ModelStatement], inQuery: Bool) throws {
        if all.isEmpty { say("I") }
        var rest = all[...]
        while let statement = rest.popFirst() {
            try checkMayRun(statement)
            if statement.action == .copyIn {
                note(statement)
                say("G", [0, 0, 0])
                flush()
                copy = (true, Array(rest))
                return
            }
            try perform(statement, isSimple: true)
        }
        endImplicitTransaction()
        ready()
    }

    private mutating func parse(_ body: ArraySlice<UInt8>) throws {
        let name = Self.name(body)
        let text = Self.text(body.drop { $0 != 0 }.dropFirst())
        if name.isEmpty { statements[name] = nil }
        let found = try statements(of: text)
        if found.count > 1 { throw Failure(code: "42601") }
        if let statement = found.first { try checkMayRun(statement) }
        if statements[name] != nil { throw Failure(code: "42P05") }
        statements[name] = text
        say("1")
    }

    private mutating func bind(_ body: ArraySlice<UInt8>) throws {
        let portal = Self.name(body)
        let name = Self.name(body.drop { $0 != 0 }.dropFirst())
        guard let text = statements[name] else { throw Failure(code: "26000") }
        let statement = try statements(of: text).first
        if let statement { try checkMayRun(statement) }
        if portal.isEmpty { portals[portal] = nil }
        if portals[portal] != nil { throw Failure(code: "42P03") }
        portals[portal] = Portal(text: text, statement: statement)
        say("2")
    }

    private mutating func describe(_ body: ArraySlice<UInt8>) throws {
        let name = Self.name(body.dropFirst())
        let text: String
        if body.first == UInt8(ascii: "S") {
            guard let found = statements[name] else { throw Failure(code: "26000") }
            say("t", [0, 0])
            text = found
        } else {
            guard let found = portals[name] else { throw Failure(code: "34000") }
            text = found.text
        }
        let isRows = try statements(of: text).first?.action == .rows
        if isRows { say("T", [0, 0]) } else { say("n") }
    }

    private mutating func execute(_ name: [UInt8]) throws {
        guard var portal = portals[name] else { throw Failure(code: "34000", message: "no \(Self.shown(name))") }
        guard let statement = portal.statement else { return say("I") }
        try checkMayRun(statement)
        if portal.isDone, statement.action != .rows { throw Failure(code: "55000") }
        portal.isDone = true
        portals[name] = portal
        if statement.action == .copyIn {
            note(statement)
            say("G", [0, 0, 0])
            flush()
            copy = (false, [])
            return
        }
        try perform(statement, isSimple: false)
    }

    private mutating func copyMessage(_ type: UInt8, _ body: ArraySlice<UInt8>) {
        guard let (isSimple, rest) = copy else { return }
        switch type {
        case UInt8(ascii: "d"):
            if body.starts(with: "bad".utf8) {
                copy = nil
                failed(Failure(code: "22P02"), isSimple: isSimple)
            }
        case UInt8(ascii: "H"), UInt8(ascii: "S"):
            break
        case UInt8(ascii: "c"):
            copy = nil
            say("C", Array("COPY 1\0".utf8))
            if isSimple {
                do { try run(rest) } catch let failure as Failure {
                    failed(failure, isSimple: true)
                } catch {
                    hasEnded = true
                }
            }
        case UInt8(ascii: "f"):
            copy = nil
            failed(Failure(code: "57014"), isSimple: isSimple)
        default:
            say("E", Self.error("ERROR", Failure(code: "08P01")))
            say("E", Self.error("FATAL", Failure(code: "08P01")))
            flush()
            hasEnded = true
        }
    }

    private mutating func run(_ rest: [ModelStatement]) throws {
        if rest.isEmpty {
            endImplicitTransaction()
            ready()
        } else {
            try run(rest, inQuery: true)
        }
    }

    // MARK: - Statements

    private func statements(of text: String) throws -> [ModelStatement] {
        if text.contains("pg_catalog.pg_class") { return [ModelStatement.question] }
        guard !refused.contains(text), let found = ModelStatement.all[text] else {
            throw Failure(code: "42601", message: "syntax error at or near \(text)")
        }
        return found
    }

    private func checkMayRun(_ statement: ModelStatement) throws {
        if transaction == .failed, statement.action != .commit, statement.action != .rollback {
            throw Failure(code: "25P02")
        }
    }

    private mutating func note(_ statement: ModelStatement) { ran.append((statement.text, messageCount)) }

    private mutating func perform(_ statement: ModelStatement, isSimple: Bool) throws {
        note(statement)
        switch statement.action {
        case .question:
            if isSimple { say("T", [0, 0]) }
            for item in 0..<4 { say("D", Self.permanentTable(item)) }
        case .rows:
            if isSimple { say("T", [0, 0]) }
            say("D", [0, 0])
        case .fails: throw Failure(code: "22012")
        case .begin: transaction = .open
        case .commit:
            let hasFailed = transaction == .failed
            endTransaction()
            return say("C", Array((hasFailed ? "ROLLBACK\0" : "COMMIT\0").utf8))
        case .rollback: endTransaction()
        case .copyOut:
            say("H", [0, 0, 0])
            say("d", Array("1\n".utf8))
            say("c")
        case .prepare(let name, let text):
            let key = Array(name.utf8)
            if statements[key] != nil { throw Failure(code: "42P05") }
            statements[key] = text
        case .execute(let name):
            guard let text = statements[Array(name.utf8)] else { throw Failure(code: "26000") }
            for inner in try statements(of: text) { note(inner) }
        case .deallocate(let name):
            guard statements.removeValue(forKey: Array(name.utf8)) != nil else { throw Failure(code: "26000") }
        case .deallocateAll: statements = [:]
        case .plain: break
        case .copyIn: return
        }
        say("C", Array((statement.tag + "\0").utf8))
    }

    private mutating func failed(_ failure: Failure, isSimple: Bool) {
        say("E", Self.error("ERROR", failure))
        flush()
        if transaction == .idle { portals = [:] } else { transaction = .failed }
        if isSimple { ready() } else { isSkipping = true }
    }

    private mutating func endTransaction() {
        transaction = .idle
        portals = [:]
    }

    private mutating func endImplicitTransaction() {
        if transaction == .idle { portals = [:] }
    }

    private mutating func ready() {
        say("Z", [transaction.rawValue.asciiValue ?? 0])
        flush()
    }

    // MARK: - Bytes

    private mutating func say(_ type: Character, _ body: [UInt8] = []) { unflushed += WireText.message(type, body) }

    private static func error(_ severity: String, _ failure: Failure) -> [UInt8] {
        Array("S\(severity)\0V\(severity)\0C\(failure.code)\0M\(failure.message)\0\0".utf8)
    }

    private static func text(_ body: ArraySlice<UInt8>) -> String {
        String(decoding: body.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Names are cut at 63 bytes (`NAMEDATALEN`).
    private static func name(_ body: ArraySlice<UInt8>) -> [UInt8] { Array(body.prefix { $0 != 0 }.prefix(63)) }

    /// A row of the answer to Holdfast's question (`CatalogAnswer`): the item is a table that others see.
    private static func permanentTable(_ item: Int) -> [UInt8] {
        let values = ["\(item)", "name", "r", "public", "t", nil, "f", "16385", "1", "8192", "t"]
        return values.reduce(into: [0, UInt8(values.count)]) { row, value in
            let bytes = value.map { Array($0.utf8) } ?? []
            row += value == nil ? [0xFF, 0xFF, 0xFF, 0xFF] : [0, 0, 0, UInt8(bytes.count)]
            row += bytes
        }
    }

    private static func shown(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self) }
}
