import Foundation
import FuzzProperties
import Testing

/// What `scripts/fuzz` begins with and what it found, run as ordinary tests.
@Suite struct FuzzTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fuzzing")

    @Test("What must hold for any input holds for every seed", arguments: FuzzTarget.allCases)
    func seeds(target: FuzzTarget) throws {
        let file = Self.folder.appendingPathComponent("Seeds/\(target.rawValue).txt")
        let lines = try String(contentsOf: file, encoding: .ascii).split(separator: "\n")
        #expect(!lines.isEmpty)
        for line in lines {
            if let violation = target.violation(Self.unescaped(line)) { Issue.record("\(line): \(violation)") }
        }
    }

    @Test("What must hold for any input holds for everything that was found", arguments: FuzzTarget.allCases)
    func finds(target: FuzzTarget) throws {
        let folder = Self.folder.appendingPathComponent("Finds/\(target.rawValue)")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        for file in files {
            let input = [UInt8](try Data(contentsOf: file))
            if let violation = target.violation(input) { Issue.record("\(file.lastPathComponent): \(violation)") }
        }
    }

    /// `\xNN` is a byte.
    private static func unescaped(_ line: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = line.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"),
                let value = UInt8(String(decoding: rest.dropFirst().prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}
