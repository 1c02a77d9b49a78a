import Policy
import PostgresWire
import SQLParsing

/// **How a refusal is made.** A blocked message is replaced by one that the server itself fails; the server's error
/// is then put into words.
///
/// That way the transaction is failed, the pipeline skipped and an implicit transaction rolled back by the one that
/// owns them, and the client's view of the session cannot differ from the server's.
struct Refusal {
    /// Also the id of the refusal's record in the audit trail.
    let id: String
    /// What the client gets to read.
    let fields: ErrorFields

    /// A text that no grammar accepts, in any transaction state: raw parsing comes first (`exec_simple_query`,
    /// `exec_parse_message`). One quoted identifier, pure ASCII, no longer than the 63 bytes up to which the server
    /// cuts no name (longer ones draw a NOTICE).
    var text: String { "\"\(mark)\"" }

    /// A name of a portal or a prepared statement that no client has.
    var name: String { mark }

    private var mark: String { "holdfast refused this [\(id)]" }

    /// Whether an error's message is the server's answer to this refusal.
    func isAnswered(by message: String) -> Bool { message.contains(mark) }
}

/// Everything that a refusal's words are made of.
struct RefusalContext {
    var match: RuleMatch
    var facts: TextFacts
    var sql: String
    var tag: String
    /// What proxy.conf says, where the database's mark says otherwise.
    var configuredTag: String?
    var subject: Subject
    var clientReadsUTF8: Bool
    var suspicion: TestRunSuspicion

    /// The client's ErrorResponse: what was blocked, which rule and tag, which objects, and what to do instead.
    func fields(id: String) -> ErrorFields {
        ErrorFields(
            severity: "ERROR", sqlState: "42501", message: readable(message), detail: readable(detail(id: id)),
            hint: readable(hint))
    }

    /// The NoticeResponse of a statement that passes with a warning.
    func notice(id: String) -> ErrorFields {
        ErrorFields(
            severity: "WARNING", sqlState: "01000",
            message: readable("holdfast let \(action) pass with a warning on \(tag)\(ownWords) (\(reason))"),
            detail: readable(detail(id: id)), hint: match.hint.map(readable))
    }

    private var message: String { "holdfast refused \(action) on \(deciding)\(ownWords) (\(reason))" }

    /// The tag that decided.
    private var deciding: String {
        guard let elsewhere = match.elsewhere else { return tag }
        return elsewhere.database.map { "\(elsewhere.tag) (database \($0))" }
            ?? "\(elsewhere.tag) (it reaches beyond this database)"
    }

    /// The operator's words for it, if the rule has any.
    private var ownWords: String { match.message.map { ": \($0)" } ?? "" }

    private var statement: StatementFacts? {
        facts.statements.indices.contains(match.statementIndex) ? facts.statements[match.statementIndex] : nil
    }

    /// `DROP TABLE (table users, table orders)`.
    private var action: String {
        let command = statement.map(\.command).flatMap { $0.isEmpty ? nil : $0 } ?? "this statement"
        let objects = objectList(limit: 5)
        return objects.isEmpty ? command : "\(command) (\(objects))"
    }

    private var reason: String {
        let names = Set(match.effects.map(\.statementClass)).sorted { $0.rawValue < $1.rawValue }.map(\.name)
        return names.isEmpty ? match.rule : "rule \"\(match.rule)\", class \(names.joined(separator: ", "))"
    }

    private func objectList(limit: Int) -> String {
        var seen = Set<ObjectName>()
        let objects = match.effects.compactMap(\.object).filter { seen.insert($0).inserted }
        let shown = objects.prefix(limit).map { "\($0.kind.rawValue) \($0.qualifiedName)" }.joined(separator: ", ")
        return objects.count > limit ? "\(shown) and \(objects.count - limit) more" : shown
    }

    private func detail(id: String) -> String {
        var lines = ["Statement: \(sql.shortened(to: 300))"]
        if facts.statements.count > 1 {
            lines[0] =
                "Statement \(match.statementIndex + 1) of \(facts.statements.count) in: \(sql.shortened(to: 300))"
            lines.append("None of the message's statements was run.")
        }
        let objects = objectList(limit: 50)
        if !objects.isEmpty { lines.append("Objects: \(objects)") }
        if let elsewhere = match.elsewhere {
            lines.append(
                elsewhere.database.map { "The target is database \($0), tag \(elsewhere.tag)" }
                    ?? "The target may be any database of the server, so it is taken for tag \(elsewhere.tag)")
        }
        lines += statement?.remarks ?? []
        if let configuredTag {
            lines.append(
                "proxy.conf tags this session \(configuredTag), but the database is marked as production, or it is not known "
                    + "yet whether it is (holdfast mark show)")
        }
        lines.append(
            "Database \(subject.database), user \(subject.user), tag \(tag), rule \"\(match.rule)\", audit id \(id)")
        return lines.joined(separator: "\n")
    }

    private var hint: String {
        let own =
            match.hint
            ?? "Run this on a database that is not tagged \(match.elsewhere?.tag ?? tag), or ask whoever keeps proxy.conf to change the rule."
        return suspicion.hint.map { "\($0) \(own)" } ?? own
    }

    /// Messages are ASCII for clients that do not read UTF-8: the proxy converts to no other encoding.
    private func readable(_ text: String) -> String {
        guard !clientReadsUTF8 else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isASCII ? $0 : "?" }))
    }
}

extension String {
    /// The first `limit` characters on one line, with an ellipsis if that is not all.
    func shortened(to limit: Int) -> String {
        let line = String(prefix(limit + 1).map { $0.isNewline ? " " : $0 }).drop { $0 == " " }
        return line.count > limit ? line.prefix(limit) + "…" : String(line)
    }
}
