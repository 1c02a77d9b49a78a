import ArgumentParser
import Audit
import Foundation
import Policy
import SQLParsing

/// A moment: a time, or a stretch of time before now: `2h`, `2 hours`, `2 hours ago`, `yesterday`.
struct TimeArgument: ExpressibleByArgument {
    var nanoseconds: Int64

    init?(argument: String) {
        if let time = AuditTime.parse(argument) {
            nanoseconds = time
            return
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        guard let time = AuditTime.moment(argument, now: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)) else {
            return nil
        }
        nanoseconds = time
    }
}

/// A class, or a group in place of its classes.
struct ClassArgument: ExpressibleByArgument {
    var names: [String]

    init?(argument: String) {
        let group = ClassGroup(rawValue: argument)?.classes.names ?? []
        let single = StatementClass(name: argument).map { [$0.name] } ?? []
        guard !(group + single).isEmpty else { return nil }
        names = group + single
    }

    static let groupNames = ClassGroup.allCases.map(\.rawValue).joined(separator: ", ")
}

enum VerdictArgument: String, ExpressibleByArgument, CaseIterable {
    case block
    case warn
    case allow
}

struct EventArgument: ExpressibleByArgument {
    var event: AuditRecord.Event

    init?(argument: String) {
        guard let event = AuditRecord.Event(rawValue: argument) else { return nil }
        self.event = event
    }

    static var allValueStrings: [String] { AuditRecord.Event.allCases.map(\.rawValue) }
}

/// `local`, an address, or a range of addresses.
struct ClientArgument: ExpressibleByArgument {
    var pattern: ClientPattern

    init?(argument: String) {
        if argument == "local" || argument == "unix" {
            pattern = .local
        } else if let range = try? AddressRange(argument) {
            pattern = .range(range)
        } else {
            return nil
        }
    }
}

/// A pattern for objects.
struct ObjectArgument: ExpressibleByArgument {
    var glob: ObjectGlob

    init?(argument: String) {
        guard let glob = ObjectGlob(argument) else { return nil }
        self.glob = glob
    }
}

/// How a statement ended.
struct EndArgument: ExpressibleByArgument {
    var end: AuditFilter.End

    init?(argument: String) {
        switch argument {
        case "ok": end = .ok
        case "error": end = .error
        case "none": end = .none
        case "committed": end = .transaction(.committed)
        case "rolled_back": end = .transaction(.rolledBack)
        case "rolled_back_to_savepoint": end = .transaction(.rolledBackToSavepoint)
        case "prepared": end = .transaction(.prepared)
        case "lost": end = .transaction(.lost)
        case "unknown": end = .transaction(.unknown)
        default:
            let code = argument.uppercased()
            let isCode = code.utf8.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x41 && $0 <= 0x5A) }
            guard code.utf8.count == 5 || code.utf8.count == 2, isCode else { return nil }
            end = .sqlState(code)
        }
    }
}

extension RowFormat: ExpressibleByArgument {}
