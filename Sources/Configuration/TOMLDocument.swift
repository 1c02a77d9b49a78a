import TOMLKit

/// A TOML text as a tree of plain values, with the place of every key and value.
///
/// TOMLKit parses; its tables are read once into values of our own, because they are pointers into C++ that cut texts
/// at a NUL and know no positions.
struct TOMLDocument {
    let root: TOMLNode
    let positions: TOMLPositions

    /// - Parameter text: the whole file.
    /// - Throws: `TOMLFault` when the text is no TOML, or holds a NUL, which the parser would take for its end.
    init(_ text: String) throws(TOMLFault) {
        if let offset = text.utf8.enumerated().first(where: { $0.element == 0 })?.offset {
            throw TOMLFault(
                position: TOMLPositions.position(of: offset, in: Array(text.utf8)),
                message: "the file holds a NUL character")
        }
        let positions = TOMLPositions(of: text)
        if let fault = positions.fault {
            throw TOMLFault(position: positions.position(of: fault.offset), message: fault.message)
        }
        if let offset = positions.escapedNULs.first {
            throw TOMLFault(
                position: positions.position(of: offset), message: "a text cannot contain the NUL character")
        }
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            let begin = error.source.begin
            throw TOMLFault(
                position: SourcePosition(line: max(1, begin.line), column: max(1, begin.column)),
                message: error.description)
        } catch {
            throw TOMLFault(position: SourcePosition(line: 1, column: 1), message: "\(error)")
        }
        self.positions = positions
        root = TOMLNode(table)
        // TOMLKit frees no table: emptied, it leaves some bytes behind instead of the whole document at each reload.
        table.clear()
    }
}

/// Why a text is no TOML.
struct TOMLFault: Error {
    var position: SourcePosition
    var message: String
}

/// A TOML value.
indirect enum TOMLNode {
    case string(String)
    case integer(Int)
    case float(Double)
    case boolean(Bool)
    case date
    case array([TOMLNode])
    case table([String: TOMLNode])

    init(_ table: TOMLTable) {
        var members: [String: TOMLNode] = [:]
        for key in table.keys {
            if let value = table[key] { members[key] = TOMLNode(value) }
        }
        self = .table(members)
    }

    /// In error messages: `a text`, `a number`.
    var typeName: String {
        switch self {
        case .string: "a text"
        case .integer, .float: "a number"
        case .boolean: "true or false"
        case .date: "a date or time"
        case .array: "a list"
        case .table: "a table"
        }
    }

    private init(_ value: TOMLValueConvertible) {
        if let string = value.string {
            self = .string(string)
        } else if let integer = value.int {
            self = .integer(integer)
        } else if let boolean = value.bool {
            self = .boolean(boolean)
        } else if let array = value.array {
            self = .array((0..<array.count).map { TOMLNode(array[$0]) })
        } else if let table = value.table {
            self = TOMLNode(table)
        } else if let float = value.double {
            self = .float(float)
        } else {
            self = .date
        }
    }
}
