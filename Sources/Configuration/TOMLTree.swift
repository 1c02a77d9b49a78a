import CTOML
import Glibc

extension TOMLNode {
    /// The tree of a TOML text, read through the C interface that TOMLKit brings.
    ///
    /// TOMLKit's own types free nothing of what that interface hands out: through them every reading of proxy.conf would
    /// stay in memory for good. Here all of it is freed but for the empty root table, some hundred bytes.
    ///
    /// - Parameter text: without a NUL; ``TOMLScanner`` has found no fault in its structure.
    /// - Throws: `TOMLFault` when the text is no TOML.
    init(parsing text: String) throws(TOMLFault) {
        let fault = UnsafeMutablePointer<CTOMLParseError>.allocate(capacity: 1)
        defer { fault.deallocate() }
        guard let root = text.withCString({ tableCreateFromString($0, fault) }) else {
            // Without a table the fault has been filled in.
            let begin = fault.pointee.source.begin
            throw TOMLFault(
                position: SourcePosition(line: max(1, Int(begin.line)), column: max(1, Int(begin.column))),
                message: Self.taken(fault.pointee.description))
        }
        defer { tableClear(root) }
        self.init(table: root)
    }

    private init(table: OpaquePointer) {
        var members: [String: TOMLNode] = [:]
        let keys = tableGetKeys(table)
        defer { Self.release(keys) }
        for index in 0..<tableSize(table) {
            defer { Self.release(keys[index]) }
            guard let value = tableGetNode(table, keys[index]) else { continue }
            members[String(cString: keys[index])] = TOMLNode(node: value)
        }
        self = .table(members)
    }

    private init(node: OpaquePointer) {
        if let text = nodeAsString(node) {
            self = .string(Self.taken(text))
        } else if let integer = nodeAsInt(node) {
            self = .integer(Int(Self.taken(integer)))
        } else if let boolean = nodeAsBool(node) {
            self = .boolean(Self.taken(boolean))
        } else if let array = nodeAsArray(node) {
            self = .array((0..<arraySize(array)).map { TOMLNode(node: arrayGetNode(array, Int64($0))) })
        } else if let table = nodeAsTable(node) {
            self = TOMLNode(table: table)
        } else if let float = nodeAsDouble(node) {
            self = .float(Self.taken(float))
        } else {
            self = .date
        }
    }

    /// A C string of our own as text; it is freed.
    private static func taken(_ text: UnsafePointer<CChar>) -> String {
        defer { release(text) }
        return String(cString: text)
    }

    /// A number that was handed out by its address; it is freed.
    private static func taken<Value>(_ number: UnsafePointer<Value>) -> Value {
        defer { release(number) }
        return number.pointee
    }

    /// What the C interface has allocated is ours to free.
    private static func release<Value>(_ memory: UnsafePointer<Value>) {
        free(UnsafeMutableRawPointer(mutating: memory))
    }
}
