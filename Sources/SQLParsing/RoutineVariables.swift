/// What is known of a routine's variables.
struct RoutineVariables {
    private struct Variable {
        var type = ""
        var assignments: [Range<Int>] = []
        var isTainted = false
        var declarations = 0
        var isParameter = false
        /// Its type keeps a text whole: `name`, `"char"` and a type with a length may cut it.
        var keepsText = true
    }

    private var variables: [String: Variable] = [:]
    /// The texts of the variables that are known.
    private(set) var known: [String: [ConstantText.Piece]] = [:]

    /// The routine's parameters: of these nothing is known, even if a block declares one of the same name.
    init(parameters: [String]) {
        for name in parameters {
            var variable = Variable()
            variable.isParameter = true
            variable.isTainted = true
            variables[name] = variable
        }
    }

    mutating func declare(_ name: String, type: String, isText: Bool = true) {
        var variable = variables[name] ?? Variable()
        variable.declarations += 1
        variable.keepsText = variable.keepsText && isText
        // A second declaration of that name shadows the first: then nothing is known of either.
        if variable.declarations > 1, variable.type != type { variable.isTainted = true }
        variable.type = variable.declarations > 1 && variable.type != type ? "" : type
        variables[name] = variable
    }

    mutating func assign(_ name: String, _ value: Range<Int>) {
        variables[name, default: Variable()].assignments.append(value)
    }

    /// These get their value from somewhere else.
    mutating func taint(_ names: [String]) {
        for name in names { variables[name, default: Variable()].isTainted = true }
    }

    /// Works out what each variable holds: by its type, or by the one constant it is ever given.
    mutating func resolve(_ bytes: (Range<Int>) -> [UInt8]) {
        for (name, variable) in variables {
            if variable.isParameter { continue }
            let byType = ConstantText.pieces(ofType: variable.type)
            if byType != [.unknown] { known[name] = byType }
        }
        // In the order of the text, so that a variable made of others finds theirs, and each process finds the same; what
        // is given its value by a text further up is found in another round.
        func place(_ entry: (key: String, value: Variable)) -> (Int, String) {
            (entry.value.assignments.first?.lowerBound ?? 0, entry.key)
        }
        let inOrder = variables.sorted { place($0) < place($1) }
        for _ in 0..<3 {
            for (name, variable) in inOrder where !variable.isTainted && known[name]?.contains(.unknown) != false {
                // Not declared here: a parameter, which has a value of its own.
                guard variable.declarations > 0, variable.assignments.count == 1, let value = variable.assignments.first
                else { continue }
                guard let pieces = StatementParser.pieces(ofExpression: bytes(value), variables: known) else {
                    continue
                }
                if pieces != [.unknown], variable.keepsText || pieces.isShortConstant { known[name] = pieces }
            }
        }
    }
}

extension [ConstantText.Piece] {
    /// A constant that no length of use cuts.
    fileprivate var isShortConstant: Bool {
        guard count == 1, case .text(let bytes) = self[0] else { return false }
        return bytes.count < 64 && bytes.allSatisfy { Lexer.isNamePart($0) }
    }
}
