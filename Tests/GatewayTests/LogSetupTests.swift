import Logging
import Testing

@testable import Gateway

@Suite struct LogSetupTests {
    private func line(_ event: LogEvent, _ metadata: Logger.Metadata = [:]) -> String {
        var log = StandardErrorLog()
        log.metadata = metadata
        return log.line(for: event, time: 1_795_342_272_123_456_789)
    }

    private func event(_ message: Logger.Message, _ metadata: Logger.Metadata? = nil) -> LogEvent {
        LogEvent(
            level: .warning, message: message, metadata: metadata, source: "", file: "", function: "", line: 0)
    }

    @Test("a message is one line: time, level, text, metadata in order of their names")
    func format() {
        #expect(line(event("it stands")) == "2026-11-22T10:11:12.123456Z warning it stands")
        #expect(
            line(event("lost", ["b": "2", "a": "x y", "c": "say \"so\\\""]), ["b": "1", "z": ""])
                == "2026-11-22T10:11:12.123456Z warning lost a=\"x y\" b=2 c=\"say \\\"so\\\\\\\"\" z=\"\"")
    }

    @Test("control characters from outside are written as escapes")
    func controls() {
        let text = line(event("a\nb\u{1B}[2J\u{9B}", ["user": "eve\r\n2026 error forged"]))
        #expect(text.hasSuffix("a\\nb\\u{1b}[2J\\u{9b} user=\"eve\\r\\n2026 error forged\""))
        #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) })
    }

    @Test("the level changes for every logger at once, except for those with a level of their own")
    func level() {
        let before = LogSetup.level
        defer { LogSetup.level = before }
        let shared = StandardErrorLog()
        var own = StandardErrorLog()
        own.logLevel = .critical
        for level in Logger.Level.allCases {
            LogSetup.level = level.rawValue
            #expect(shared.logLevel == level)
            #expect(own.logLevel == .critical)
        }
        LogSetup.level = "loud"
        #expect(shared.logLevel == .critical)
    }
}
