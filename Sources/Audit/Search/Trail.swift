import Foundation

/// The files of one trail, in their order, taken apart for a search.
package final class Trail: Sendable {
    /// A piece of one of the files.
    struct Place: Sendable {
        var file: TrailFile
        var piece: TrailPiece
    }

    package let name: String
    let places: [Place]
    /// What is worth to be said of the files.
    package let remarks: [String]
    /// Files that cannot be read: what they hold is missing.
    package let faults: [AuditFault]
    /// What a search has found out about pieces without an index: their ids.
    let memory = PieceMemory()

    /// A file that cannot be read is one of `faults`, if there are others.
    ///
    /// - Throws: ``AuditFault``: no file can be read.
    package convenience init(name: String, paths: [String], usesIndex: Bool) throws(AuditFault) {
        try self.init(name: name, paths: paths, usesIndex: usesIndex, pieceByteCount: TrailPiece.plainByteCount)
    }

    /// As above, with pieces of another length: for tests of what stands in different ones.
    convenience init(name: String, paths: [String], usesIndex: Bool, pieceByteCount: Int) throws(AuditFault) {
        var files: [TrailFile] = []
        var faults: [AuditFault] = []
        for path in paths {
            do throws(AuditFault) {
                files.append(try TrailFile(path: path, usesIndex: usesIndex, pieceByteCount: pieceByteCount))
            } catch {
                guard paths.count > 1 else { throw error }
                faults.append(error)
            }
        }
        self.init(name: name, files: files, faults: faults)
    }

    /// What stands before the place where a reader will go on.
    ///
    /// - Parameter hasClosed: with the closed files of the trail, else only the file that is followed.
    /// - Throws: ``AuditFault``: a file cannot be read.
    package convenience init(
        before reader: borrowing AuditReader, hasClosed: Bool, usesIndex: Bool
    ) throws(AuditFault) {
        var files: [TrailFile] = []
        for member in hasClosed ? AuditFiles(livePath: reader.path).members() : [] {
            guard let number = member.number else { continue }
            // What was closed since the reader was opened, the reader finds.
            if let own = reader.followedFileNumber, number >= own { continue }
            files.append(try TrailFile(path: member.path, usesIndex: usesIndex))
        }
        if reader.wholeLinesEnd > 0 {
            var live = try TrailFile(path: reader.path, byteCount: Int(reader.wholeLinesEnd), usesIndex: false)
            if let number = reader.followedFileNumber, !live.isSame(as: reader.identity) {
                // It was closed since, and may have been compressed.
                let members = AuditFiles(livePath: reader.path).members()
                if let closed = members.first(where: { $0.number == number }) {
                    live = try TrailFile(path: closed.path, byteCount: Int(reader.wholeLinesEnd), usesIndex: false)
                }
            }
            files.append(live)
        }
        self.init(name: reader.path, files: files)
    }

    private init(name: String, files: [TrailFile], faults: [AuditFault] = []) {
        self.name = name
        self.faults = faults
        places = files.flatMap { file in file.pieces.map { Place(file: file, piece: $0) } }
        remarks = files.flatMap(\.remarks)
    }

    /// How many lines there are of the file that the trail has its name from. Reads it whole.
    package var lastFileLineCount: Int {
        let reader = PieceReader()
        guard let last = places.last?.file, last.path == name else { return 0 }
        return places.filter { $0.file === last }.reduce(0) { count, place in
            count + (place.piece.known?.lineCount ?? (try? reader.load(place.piece, of: last).lineCount) ?? 0)
        }
    }

    /// The number of a line, from 1 on in its file.
    ///
    /// - Parameters:
    ///   - piece: which piece it is in.
    ///   - offset: where it begins in the piece's text.
    func lineNumber(piece: Int, offset: Int) -> Int {
        let reader = PieceReader()
        let own = places[piece]
        var number = 1
        for place in places[..<piece] where place.file === own.file {
            if let known = place.piece.known {
                number += known.lineCount
            } else {
                number += (try? reader.load(place.piece, of: place.file).lineCount) ?? 0
            }
        }
        guard let text = try? reader.load(own.piece, of: own.file) else { return number }
        return number + TrailText(UnsafeBufferPointer(rebasing: text.bytes[..<offset])).lineCount
    }
}

extension TrailFile {
    func isSame(as identity: (dev_t, ino_t)) -> Bool {
        var information = stat()
        return fstat(descriptor, &information) == 0
            && (information.st_dev, information.st_ino) == identity
    }
}
