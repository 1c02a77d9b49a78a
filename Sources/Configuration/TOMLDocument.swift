/// A TOML text as a tree of plain values, with the place of every key and value.
///
/// TOMLKit's parser parses; its tables are read once into values of our own, because they are pointers into C++ that cut
/// texts at a NUL and know no positions.
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
        self.positions = positions
        root = try TOMLNode(parsing: text)
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
}
