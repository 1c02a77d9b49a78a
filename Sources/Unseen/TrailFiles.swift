import Audit

/// Reads whole trails into an index.
package enum TrailFiles {
    /// What was read.
    package struct Summary: Sendable, Equatable {
        package var recordCount = 0
        /// Lines that a crash cut off.
        package var tornCount = 0
        package init() {}
    }

    /// Reads the files one after the other: the pieces of a rotated trail from the oldest on, or those of several proxies.
    ///
    /// - Throws: ``AuditFault``: a file cannot be read, or holds a line that is no record. Only the line that the proxy was
    ///   writing when it died may be cut off: the last one, or one that a `recovered` or `start` follows.
    package static func read(_ paths: [String], into index: inout TrailIndex) throws(AuditFault) -> Summary {
        var summary = Summary()
        for path in paths {
            var reader = try AuditReader(path: path)
            var unreadable: (line: Int, fault: AuditDecodeFault)?
            var broken: AuditFault?
            let take = { (line: AuditLine) in
                switch line.content {
                case .success(let record):
                    if let torn = unreadable {
                        unreadable = nil
                        if record.event != .start, record.event != .recovered, broken == nil {
                            broken = AuditFault(
                                description: "audit trail \(path), line \(torn.line): \(torn.fault.description)")
                        }
                        summary.tornCount += 1
                    }
                    summary.recordCount += 1
                    index.take(record)
                case .failure(let fault):
                    if let torn = unreadable, broken == nil {
                        broken = AuditFault(
                            description: "audit trail \(path), line \(torn.line): \(torn.fault.description)")
                    }
                    unreadable = (line.number, fault)
                }
            }
            try reader.read(take)
            reader.readRest(take)
            if let broken { throw broken }
            if unreadable != nil { summary.tornCount += 1 }
        }
        return summary
    }
}
