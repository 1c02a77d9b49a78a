import CLibFuzzer
import FuzzProperties
import Glibc

// holdfast-fuzz TARGET [libFuzzer's own options and folders]: see scripts/fuzz.

guard CommandLine.arguments.count > 1, let target = FuzzTarget(rawValue: CommandLine.arguments[1]) else {
    let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
    print("the first argument names what is fuzzed: \(names)")
    exit(2)
}

/// Set once, before the first input; libFuzzer's callback has no room for it.
nonisolated(unsafe) var current = target

var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.enumerated()
    .filter { $0.offset != 1 }.map { strdup($0.element) }
var count = CInt(arguments.count)
arguments.append(nil)
let status = arguments.withUnsafeMutableBufferPointer { buffer in
    var start = buffer.baseAddress
    return LLVMFuzzerRunDriver(&count, &start) { data, size in
        // A find is a process that ends: libFuzzer then writes the input to a file.
        if let violation = current.violation(UnsafeRawBufferPointer(start: data, count: size)) { fatalError(violation) }
        return 0
    }
}
exit(status)
