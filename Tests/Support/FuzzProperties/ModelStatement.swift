/// A statement that ``ModelServer`` knows.
struct ModelStatement {
    enum Action: Equatable {
        case rows, fails, question, begin, commit, rollback, copyIn, copyOut, plain, deallocateAll
        case prepare(name: String, text: String)
        case execute(name: String)
        case deallocate(name: String)
    }

    var text: String
    var action: Action
    var tag: String

    private init(_ text: String, _ action: Action, tag: String? = nil) {
        self.text = text
        self.action = action
        self.tag = tag ?? text
    }

    /// What Holdfast asks about names.
    static let question = ModelStatement("the question", .question, tag: "SELECT 4")

    /// What nobody minds.
    static let harmless: [ModelStatement] = [
        .init("SELECT 1", .rows), .init("SELECT 1/0", .fails), .init("BEGIN", .begin), .init("COMMIT", .commit),
        .init("ROLLBACK", .rollback), .init("COPY t FROM STDIN", .copyIn), .init("COPY t TO STDOUT", .copyOut),
        .init("CREATE TABLE made ()", .plain, tag: "CREATE TABLE"), .init("SET a.b = 1", .plain, tag: "SET"),
        .init("PREPARE s AS SELECT 1", .prepare(name: "s", text: "SELECT 1"), tag: "PREPARE"),
        .init("EXECUTE s", .execute(name: "s"), tag: "SELECT 1"),
        .init("DEALLOCATE s", .deallocate(name: "s"), tag: "DEALLOCATE"),
        .init("DEALLOCATE ALL", .deallocateAll, tag: "DEALLOCATE ALL"),
    ]

    /// What the rules of ``ExchangeProperties`` stop, for what it is: there is nothing to ask the server about.
    static let harmful: [ModelStatement] = [
        .init("DROP DATABASE d", .plain, tag: "DROP DATABASE"),
        .init("SELECT dblink_exec('c', 'DROP TABLE t')", .rows, tag: "SELECT 1"),
    ]

    /// What they stop if the server says that it is there, and it always does.
    static let asked: [ModelStatement] = [
        .init("DROP TABLE t", .plain, tag: "DROP TABLE"), .init("TRUNCATE t", .plain, tag: "TRUNCATE TABLE"),
    ]

    /// Every text that a client may send, as statements. One that is not here is a syntax error.
    static let all: [String: [ModelStatement]] = {
        let single = harmless + harmful + asked
        var texts: [String: [ModelStatement]] = ["": [], "-- nothing": []]
        for statement in single { texts[statement.text] = [statement] }
        for (first, second) in pairs { texts["\(first.text); \(second.text)"] = [first, second] }
        return texts
    }()

    private static let pairs: [(ModelStatement, ModelStatement)] =
        (harmless + harmful + asked).flatMap { first in (harmless + harmful + asked).map { (first, $0) } }

    /// The texts in an order that stays.
    static let texts: [String] = all.keys.sorted()

    /// Those that hold one of `statements`.
    static func texts(with statements: [ModelStatement]) -> Set<String> {
        Set(all.filter { $0.value.contains { one in statements.contains { $0.text == one.text } } }.keys)
    }
}
