import Policy
import SQLParsing

/// Signs that the client is a test run that has been pointed at the wrong database: the incident that Holdfast was
/// made for. They change a hint, never a verdict.
struct TestRunSuspicion {
    private var refusedDrops = 0
    private var isDropAll = false
    private let applicationName: String

    init(subject: Subject) { applicationName = subject.applicationName }

    /// Looked at when something was refused, not for each connection.
    private var namesTestRunner: Bool {
        let name = applicationName.lowercased()
        return ["test", "jest", "rspec"].contains { name.contains($0) }
    }

    /// A text was refused.
    mutating func refused(_ facts: TextFacts, text: UnsafeRawBufferPointer) {
        guard facts.classes.contains(.dropTable) else { return }
        refusedDrops += 1
        // SQLAlchemy's DDL compiler begins DROP TABLE with a line break.
        if text.first == UInt8(ascii: "\n") { isDropAll = true }
    }

    /// What to tell the person, if the signs are there.
    var hint: String? {
        let sign =
            isDropAll
            ? "This looks like SQLAlchemy's metadata.drop_all(), as a test fixture runs it."
            : namesTestRunner
                ? "The application's name looks like a test run."
                : refusedDrops >= 3 ? "\(refusedDrops) DROP TABLE in a row look like a test run's clean-up." : nil
        return sign.map { "\($0) If these are tests, point DATABASE_URL at a disposable database." }
    }
}
