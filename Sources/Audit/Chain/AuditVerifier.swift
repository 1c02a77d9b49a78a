import Foundation

/// Goes through a trail and tells whether it is whole. Offline: it needs the files and, to prove more than their order, the
/// keys.
///
/// What is proven with the keys: each record is as it was written, in its place, and none before the last one is missing; by
/// somebody who had the key. Not proven: that nothing followed the last record (that is what ``AuditCheckpoint``s kept
/// elsewhere are for), and nothing against who has the key.
package struct AuditVerifier {
    /// What is wrong, at one place.
    package struct Finding: Sendable, Equatable, Encodable {
        package enum Kind: String, Sendable, CaseIterable, Encodable {
            /// The record's code is not that of its bytes behind the record before.
            case changed
            /// Records between two others are not there.
            case missing
            /// A record stands behind a later one, or twice.
            case order
            /// A line that is no record of the chain.
            case foreign
            /// Part of a line, and nothing that says that a crash left it.
            case torn
            /// A file's beginning does not fit the end of the one before.
            case seam
            /// The key that a file is sealed with is not known.
            case key
            /// A file cannot be read to its end.
            case unreadable
            /// The trail ends before a checkpoint, or differs from it.
            case checkpoint
        }

        package var kind: Kind
        package var path: String
        /// The line in the file, from 1; 0 for the file as a whole.
        package var line: Int
        /// The record's number, if it has one.
        package var sequence: Int64?
        /// All that as a sentence.
        package var text: String
    }

    package struct Result: Sendable, Equatable, Encodable {
        package var findings: [Finding] = []
        /// How many there are; more than `findings` has.
        package var findingCount = 0
        package var files = 0
        package var records = 0
        /// Lines from before records were sealed.
        package var unsealed = 0
        package var firstSequence: Int64?
        package var lastSequence: Int64?
        package var lastCode = ""
        package var instance: String?
        /// Torn lines that a later record accounts for.
        package var recovered = 0
        /// Files that were deleted as proxy.conf says, the trail itself tells.
        package var retired = 0
        /// Checkpoints that the trail holds, or that were given, and that fit.
        package var checkpoints = 0
        package var isWhole: Bool { findingCount == 0 }
    }

    private static let mostFindings = 100

    private let keys: AuditKeys?
    private let publicKey: String?
    private var seals: [String: AuditSeal] = [:]
    /// As the latest `file_start` says. It holds on in a file that has none (copytruncate): were it given up there, nobody
    /// would look at the records of a file whose `file_start` somebody has made something else.
    private var seal: AuditSeal?
    /// That nothing is proven from here on has been said.
    private var isUnprovenSaid = false
    /// The latest file that the trail itself says was deleted, and the first one that is here.
    private var lastRetired: Int64 = 0
    private var firstStart: (file: Int64, finding: Finding)?
    private var result = Result()
    private var path = ""
    private var code: [UInt8]?
    private var sequence: Int64?
    private var fileNumber: Int64?
    private var tornLine: (hash: String, count: Int, finding: Finding)?
    /// Which trail the files are, if their first one says so.
    private var expectedInstance: String?
    /// Codes of records that checkpoints name, as the trail has them.
    private var wanted: [Int64: [AuditCheckpoint]] = [:]

    /// - Parameters:
    ///   - keys: nil if they are not at hand: order and seams are looked at, no record's code.
    ///   - publicKey: whose signature checkpoints must have, 64 hexadecimal digits; nil: not looked at.
    package init(keys: AuditKeys?, publicKey: String?) {
        self.keys = keys
        self.publicKey = publicKey
    }

    /// Which trail is verified: checkpoints of others are passed over. Before them.
    package mutating func expect(trailOf path: String) {
        expectedInstance = ((try? AuditFileContents.start(of: path)) ?? nil)?.instance
    }

    /// Checkpoints that were kept elsewhere. Before the files.
    ///
    /// They are the lines of a file of `checkpoints`, or what a sink has: lines of a syslog server's file or of a table, with
    /// whatever stands around the record, among other records, and of other trails (``AuditLineExtract``).
    ///
    /// - Throws: ``AuditFault``: the file cannot be read, a checkpoint in it is damaged or signed by somebody else, or there
    ///   is none of this trail.
    package mutating func expect(checkpointsIn path: String) throws(AuditFault) {
        var reader = try AuditReader(path: path)
        var fault: AuditFault?
        var latest: [AuditCheckpoint] = []
        let publicKey = publicKey
        let expectedInstance = expectedInstance
        var otherCount = 0
        func take(_ number: Int, _ bytes: UnsafeBufferPointer<UInt8>?) {
            guard fault == nil, let bytes, let line = AuditLineExtract.checkpoint(in: bytes) else { return }
            let record = line.withUnsafeBufferPointer { try? AuditDecoder.decode($0) }
            guard let record, record.event == .checkpoint,
                let checkpoint = Self.checkpoint(record), let signature = record.mark?.signature
            else {
                fault = AuditFault(description: "\(path), line \(number): a checkpoint that is damaged")
                return
            }
            if let expectedInstance, checkpoint.instance != expectedInstance {
                otherCount += 1
                return
            }
            if let publicKey,
                !AuditSigner.verifies(checkpoint, signature: signature, publicKey: publicKey)
            {
                fault = AuditFault(
                    description: "\(path), line \(number): not signed by that key: somebody else's, or changed")
                return
            }
            latest.append(checkpoint)
        }
        try reader.readLines { take($0, $1) }
        if let rest = reader.takeRest() { rest.withUnsafeBufferPointer { take(-1, $0) } }
        if let fault { throw fault }
        if latest.isEmpty {
            throw AuditFault(
                description: otherCount > 0
                    ? "\(path): all \(otherCount) checkpoints in it are of other trails, none of this one (instance "
                        + "\(expectedInstance ?? ""))"
                    : "\(path): there is no checkpoint in it")
        }
        for checkpoint in latest { wanted[checkpoint.sequence, default: []].append(checkpoint) }
    }

    /// The trail's next file.
    package mutating func take(_ path: String) {
        self.path = path
        result.files += 1
        do throws(AuditFault) {
            var reader = try AuditReader(path: path)
            try reader.readLines { number, line in takeLine(number, line) }
            if let rest = reader.takeRest() { rest.withUnsafeBufferPointer { takeLine(-1, $0) } }
        } catch {
            find(.unreadable, 0, nil, error.description)
        }
        settleTorn()
    }

    /// All files have been taken.
    ///
    /// - Parameter isAll: they are all that there are: of older ones a record must say that `keep_files` deleted them.
    package mutating func finish(isAll: Bool = false) -> Result {
        if isAll, let firstStart, firstStart.file - 1 > lastRetired { find(firstStart.finding) }
        for (sequence, checkpoints) in wanted.sorted(by: { $0.key < $1.key }) where sequence > self.sequence ?? 0 {
            for checkpoint in checkpoints {
                find(
                    .checkpoint, 0, sequence,
                    "the trail ends with record \(self.sequence ?? 0), and had record \(sequence) at "
                        + "\(AuditTime.text(checkpoint.time)): its end was cut off")
            }
        }
        result.lastSequence = sequence
        result.lastCode = AuditHash.hex(code ?? [])
        return result
    }

    private mutating func takeLine(_ number: Int, _ line: UnsafeBufferPointer<UInt8>?) {
        guard let line else { return find(.foreign, number, nil, "longer than any record") }
        guard let sealed = SealedLine(line) else { return takeUnsealed(number, line) }
        let event = Self.event(of: sealed.bytes)
        let record = Self.marks.contains(event) ? try? AuditDecoder.decode(line) : nil
        if record?.event == .recovered { settleTorn(record?.mark) } else { settleTorn() }
        if record?.event == .fileStart { takeStart(number, sealed, record?.mark) }
        if record?.event == .retired { lastRetired = max(lastRetired, record?.mark?.file ?? 0) }
        defer {
            sequence = max(sequence ?? 0, sealed.sequence)
            code = sealed.code
            result.records += 1
            if result.firstSequence == nil { result.firstSequence = sealed.sequence }
        }
        guard let last = sequence, let previous = code else {
            // The first record there is: nothing before it can be held against it, but a trail's very first.
            if sealed.sequence == 1 {
                prove(number, sealed, after: [UInt8](repeating: 0, count: AuditHash.byteCount))
            } else {
                unproven(number, sealed)
            }
            return takeCheckpoint(number, sealed, record)
        }
        if sealed.sequence == last + 1 {
            prove(number, sealed, after: previous)
        } else if sealed.sequence > last {
            find(
                .missing, number, sealed.sequence,
                "records \(last + 1) to \(sealed.sequence - 1) are missing before this one")
        } else {
            find(.order, number, sealed.sequence, "stands behind record \(last): moved here, or a copy")
        }
        takeCheckpoint(number, sealed, record)
    }

    private mutating func prove(_ number: Int, _ sealed: SealedLine, after previous: [UInt8]) {
        guard let seal else { return unproven(number, sealed) }
        if seal.code(after: previous, of: sealed.bytes) != sealed.code {
            find(
                .changed, number, sealed.sequence,
                "this record, or the code of the one before, is not what was written")
        }
    }

    /// Nothing before the record says which key it is sealed with.
    private mutating func unproven(_ number: Int, _ sealed: SealedLine) {
        guard keys != nil, !isUnprovenSaid else { return }
        isUnprovenSaid = true
        find(
            .changed, number, sealed.sequence,
            "no file_start stands before this record and says what it is sealed with: nothing from here on is proven")
    }

    private mutating func takeUnsealed(_ number: Int, _ line: UnsafeBufferPointer<UInt8>) {
        settleTorn()
        let isWhole = (try? AuditDecoder.decode(line)) != nil
        if sequence == nil, isWhole {
            result.unsealed += 1
            return
        }
        let finding = Finding(
            kind: isWhole ? .foreign : .torn, path: path, line: number, sequence: nil,
            text: isWhole
                ? "a record that is no part of the chain: written by somebody else"
                : "not a whole record, and nothing says that a crash left it")
        if isWhole {
            find(finding)
        } else {
            tornLine = (AuditHash.hex(AuditHash.sha256(line)), line.count, finding)
        }
    }

    /// A torn line is accounted for by the record behind it.
    private mutating func settleTorn(_ mark: AuditRecord.Mark? = nil) {
        guard let torn = tornLine else { return }
        tornLine = nil
        if let mark, mark.tornHash == torn.hash, mark.tornByteCount == Int64(torn.count) {
            result.recovered += 1
        } else {
            find(torn.finding)
        }
    }

    private mutating func takeStart(_ number: Int, _ sealed: SealedLine, _ mark: AuditRecord.Mark?) {
        guard let mark else { return }
        if result.instance == nil { result.instance = mark.instance }
        if mark.instance != result.instance {
            find(.seam, number, sealed.sequence, "the file belongs to another trail (instance \(mark.instance ?? ""))")
        }
        seal = keys.flatMap { keys in
            guard let id = mark.key else { return nil }
            if let known = seals[id] { return known }
            guard let key = keys.key(id), let made = try? AuditSeal(key) else { return nil }
            seals[id] = made
            return made
        }
        isUnprovenSaid = keys != nil && seal == nil
        if isUnprovenSaid {
            find(
                .key, number, sealed.sequence,
                "sealed with key \(mark.key ?? ""), which is not in the key file: nothing of this file is proven")
        }
        defer { fileNumber = mark.file }
        guard let sequence, let code else {
            // Older files are not here; what stood before the chain is none of it.
            if let file = mark.file, file > 1, mark.headSequence != nil {
                result.retired = Int(clamping: file - 1)
                firstStart = (
                    file,
                    Finding(
                        kind: .missing, path: path, line: 0, sequence: sealed.sequence,
                        text: "files 1 to \(file - 1) of the trail are not here, and no record says that keep_files "
                            + "deleted the last of them (if they were moved, name all files with --file)")
                )
            }
            self.sequence = mark.headSequence
            self.code = mark.headCode.flatMap { AuditHash.bytes(hex: $0) }
            return
        }
        if let number = fileNumber, let file = mark.file, file > number + 1 {
            find(
                .missing, 0, sealed.sequence,
                "files \(number + 1) to \(file - 1) of the trail are missing before this one")
            self.sequence = mark.headSequence
            self.code = mark.headCode.flatMap { AuditHash.bytes(hex: $0) }
        } else if mark.headSequence != nil, mark.headSequence != sequence || mark.headCode != AuditHash.hex(code) {
            let head = mark.headSequence ?? 0
            find(
                .seam, number, sealed.sequence,
                head > sequence
                    ? "the file before ended with record \(head), and now ends with \(sequence): its end was cut off"
                    : "the file before does not end with the record that this one goes on from (\(head))")
            // What is missing has been said.
            self.sequence = head
            self.code = mark.headCode.flatMap { AuditHash.bytes(hex: $0) }
        }
    }

    private mutating func takeCheckpoint(_ number: Int, _ sealed: SealedLine, _ record: AuditRecord?) {
        if let expected = wanted.removeValue(forKey: sealed.sequence) {
            for checkpoint in expected {
                if checkpoint.code == AuditHash.hex(sealed.code) {
                    result.checkpoints += 1
                } else {
                    find(
                        .checkpoint, number, sealed.sequence,
                        "the checkpoint of \(AuditTime.text(checkpoint.time)) has another record in this place")
                }
            }
        }
        guard let record, record.event == .checkpoint, let publicKey, let own = Self.checkpoint(record) else { return }
        guard AuditSigner.verifies(own, signature: record.mark?.signature ?? "", publicKey: publicKey) else {
            return find(.checkpoint, number, sealed.sequence, "a checkpoint that is not signed by that key")
        }
        result.checkpoints += 1
    }

    private static func checkpoint(_ record: AuditRecord) -> AuditCheckpoint? {
        guard let mark = record.mark, let instance = mark.instance, let file = mark.file,
            let sequence = mark.headSequence, let code = mark.headCode
        else { return nil }
        return AuditCheckpoint(
            instance: instance, file: file, sequence: sequence, code: code,
            // As it was signed: what is below a microsecond is not written.
            time: record.time)
    }

    private static let marks = Set(AuditRecord.Event.allCases.filter(\.isOfTrail).map(\.rawValue))

    /// The event in the fixed beginning of a sealed line: `{"v":2,"seq":17,"time":"27 characters","event":"…"`.
    private static func event(of bytes: UnsafeBufferPointer<UInt8>) -> String {
        let key = Array(#""event":""#.utf8)
        var index = SealedLine.prefix.count
        while index < bytes.count, bytes[index] != UInt8(ascii: ",") { index += 1 }
        index += #","time":"2026-11-22T10:11:12.123456Z","#.utf8.count
        guard index + key.count < bytes.count, bytes[index...].starts(with: key) else { return "" }
        let start = index + key.count
        guard let end = bytes[start...].prefix(32).firstIndex(of: UInt8(ascii: "\"")) else { return "" }
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    private mutating func find(_ kind: Finding.Kind, _ line: Int, _ sequence: Int64?, _ text: String) {
        find(Finding(kind: kind, path: path, line: line, sequence: sequence, text: text))
    }

    private mutating func find(_ finding: Finding) {
        result.findingCount += 1
        if result.findings.count < Self.mostFindings { result.findings.append(finding) }
    }
}
