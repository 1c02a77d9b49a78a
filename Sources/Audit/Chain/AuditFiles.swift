import Foundation

/// The files of a trail: the one that is written, and the closed ones beside it.
///
/// `audit.jsonl` is written; `audit-000017.jsonl` has just been closed, `audit-000017.jsonl.zst` is it compressed. Numbers
/// go up by one.
package struct AuditFiles: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        /// Nil for the one that is written.
        package var number: Int64?
        package var path: String
    }

    let folder: String
    /// `audit` and `.jsonl` of `audit.jsonl`.
    private let stem: String
    private let ending: String
    package let livePath: String

    /// - Parameter livePath: `file` under `[audit]`.
    package init(livePath: String) {
        self.livePath = livePath
        folder = AuditFile.folder(of: livePath)
        let name = livePath.split(separator: "/").last.map(String.init) ?? livePath
        if let dot = name.lastIndex(of: "."), dot > name.startIndex {
            stem = String(name[..<dot])
            ending = String(name[dot...])
        } else {
            stem = name
            ending = ""
        }
    }

    func closedPath(_ number: Int64) -> String {
        let digits = String(number)
        let padding = String(repeating: "0", count: max(0, 6 - digits.count))
        return "\(folder)/\(stem)-\(padding)\(digits)\(ending)"
    }

    static let compressedEnding = ".zst"

    /// The closed files by their numbers, and the one that is written, if it is there. Of a file that is there twice (a
    /// crash while it was compressed) the plain one, which is whole.
    package func members() -> [Member] {
        // Compressing replaces a name by another, and a listing may see neither (POSIX, readdir): one that the next confirms.
        var members = listed()
        for _ in 0..<50 {
            let again = listed()
            if again == members { break }
            members = again
        }
        return members
    }

    private func listed() -> [Member] {
        var paths: [Int64: String] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let (number, isCompressed) = number(of: name) else { continue }
            if paths[number] == nil || !isCompressed { paths[number] = "\(folder)/\(name)" }
        }
        var members = paths.sorted { $0.key < $1.key }.map { Member(number: $0.key, path: $0.value) }
        if access(livePath, F_OK) == 0 { members.append(Member(number: nil, path: livePath)) }
        return members
    }

    /// The number in the name of a closed file; nil for other names.
    private func number(of name: String) -> (Int64, isCompressed: Bool)? {
        guard name.hasPrefix(stem + "-") else { return nil }
        var rest = name.dropFirst(stem.count + 1)
        let isCompressed = rest.hasSuffix(Self.compressedEnding)
        if isCompressed { rest = rest.dropLast(Self.compressedEnding.count) }
        guard rest.hasSuffix(ending) else { return nil }
        rest = rest.dropLast(ending.count)
        guard rest.count >= 6, rest.allSatisfy({ ("0"..."9").contains($0) }), let number = Int64(rest) else {
            return nil
        }
        return (number, isCompressed)
    }

    /// Brings the names in a folder to the disk.
    static func syncFolder(_ folder: String) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        // Some file systems cannot do this, and then need not.
        _ = fsync(descriptor)
        _ = close(descriptor)
    }
}
