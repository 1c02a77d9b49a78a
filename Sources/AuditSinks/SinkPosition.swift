import Audit
import Foundation

/// How far a sink has come, kept in a file of its own beside the trail: `audit.sink-NAME` of `audit.jsonl`.
///
/// One line of JSON. It is replaced whole, so a crash leaves the old or the new one.
struct SinkPosition: Codable, Equatable, Sendable {
    var version = 1
    /// The trail, and its last record that was delivered.
    var instance: String
    var sequence: Int64
    /// The oldest file of the trail that is still needed.
    var file: Int64

    enum CodingKeys: String, CodingKey {
        case version = "v"
        case instance, file
        case sequence = "seq"
    }

    static func path(livePath: String, sink: String) -> String {
        let slash = livePath.lastIndex(of: "/").map { livePath.index(after: $0) } ?? livePath.startIndex
        let dot = livePath[slash...].lastIndex(of: ".").flatMap { $0 > slash ? $0 : nil } ?? livePath.endIndex
        return livePath[..<dot] + ".sink-" + sink
    }

    /// - Returns: nil if there is none yet.
    /// - Throws: ``SinkFault`` if there is a file and it is no position.
    static func load(_ path: String) throws(SinkFault) -> SinkPosition? {
        guard let data = FileManager.default.contents(atPath: path) else {
            if access(path, F_OK) == 0 { throw SinkFault("\(path) cannot be read") }
            return nil
        }
        guard let position = try? JSONDecoder().decode(SinkPosition.self, from: data), position.version == 1,
            position.sequence >= 0, position.file >= 0
        else { throw SinkFault("\(path) is damaged") }
        return position
    }

    /// Replaces the file.
    ///
    /// - Throws: ``SinkFault``; the old one is still there.
    func store(_ path: String) throws(SinkFault) {
        guard var data = try? JSONEncoder().encode(self) else { return }
        data.append(UInt8(ascii: "\n"))
        let unfinished = path + ".part"
        let descriptor = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.fault(unfinished) }
        let isWritten = data.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == data.count
        let isStored = isWritten && fdatasync(descriptor) == 0
        let reason = Self.fault(unfinished)
        close(descriptor)
        guard isStored else { throw reason }
        guard rename(unfinished, path) == 0 else { throw Self.fault(path) }
    }

    private static func fault(_ path: String) -> SinkFault {
        SinkFault("the position cannot be written to \(path): \(String(cString: strerror(errno)))")
    }
}
