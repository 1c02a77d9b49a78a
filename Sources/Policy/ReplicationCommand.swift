import SQLParsing

/// A command of the walsender's own grammar, which is not SQL.
///
/// The server decides by the first token alone (`replication_scanner_is_replication_command`): white space is skipped,
/// comments are not, and keywords are upper case only. A server too old for one of these words reads the text as SQL
/// and fails on the same word, before it runs anything. `SHOW` is left out: read as SQL it means the same, and a text
/// that goes on after it is then judged whole.
enum ReplicationCommand: String, CaseIterable {
    case identifySystem = "IDENTIFY_SYSTEM"
    case readSlot = "READ_REPLICATION_SLOT"
    case startReplication = "START_REPLICATION"
    case createSlot = "CREATE_REPLICATION_SLOT"
    case alterSlot = "ALTER_REPLICATION_SLOT"
    case dropSlot = "DROP_REPLICATION_SLOT"
    case timelineHistory = "TIMELINE_HISTORY"
    case baseBackup = "BASE_BACKUP"
    case uploadManifest = "UPLOAD_MANIFEST"

    /// The command that the text begins with, or nil when the walsender runs it as SQL.
    init?(_ text: UnsafeRawBufferPointer) {
        let word = Self.word(in: text, from: 0)
        guard let found = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(text[word]) }) else {
            return nil
        }
        self = found
    }

    /// The class of what the command changes; nil when it changes nothing.
    var statementClass: StatementClass? {
        switch self {
        case .createSlot: .create
        case .alterSlot: .alter
        case .dropSlot: .dropOther
        case .identifySystem, .readSlot, .startReplication, .timelineHistory, .baseBackup, .uploadManifest: nil
        }
    }

    /// The word after the command: the slot's name as written, without quotes.
    func slotName(in text: UnsafeRawBufferPointer) -> String {
        let command = Self.word(in: text, from: 0)
        let name = text[Self.word(in: text, from: command.upperBound)]
        return String(decoding: name.filter { $0 != UInt8(ascii: "\"") }.prefix(63), as: UTF8.self)
    }

    /// The next run of identifier characters and quotes after white space.
    private static func word(in text: UnsafeRawBufferPointer, from start: Int) -> Range<Int> {
        var begin = start
        while begin < text.count, isSpace(text[begin]) { begin += 1 }
        var end = begin
        while end < text.count, isWordByte(text[end]) { end += 1 }
        return begin..<end
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), UInt8(ascii: "\""), 0x80...:
            true
        default: false
        }
    }
}
