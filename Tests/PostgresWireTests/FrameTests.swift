import Testing

@testable import PostgresWire

@Suite struct FrameTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var expected: Result<FrameHeader?, WireFault>
        var testDescription: String { name }
    }

    static let clientRows = [
        Row(name: "nothing yet", bytes: [], expected: .success(nil)),
        Row(name: "a type alone", bytes: [0x51], expected: .success(nil)),
        Row(name: "four of five bytes", bytes: [0x51, 0, 0, 0], expected: .success(nil)),
        Row(name: "Sync", bytes: [0x53, 0, 0, 0, 4], expected: .success(FrameHeader(type: 0x53, byteCount: 5))),
        Row(
            name: "a Query's header alone", bytes: [0x51, 0, 0, 1, 0],
            expected: .success(FrameHeader(type: 0x51, byteCount: 257))),
        Row(
            name: "the longest Query", bytes: [0x51, 0x3f, 0xff, 0xff, 0xfe],
            expected: .success(FrameHeader(type: 0x51, byteCount: 0x3fff_ffff))),
        Row(
            name: "one more than the longest Query", bytes: [0x51, 0x3f, 0xff, 0xff, 0xff],
            expected: .failure(.frontendLength(type: 0x51, length: 0x3fff_ffff))),
        Row(
            name: "length 3", bytes: [0x51, 0, 0, 0, 3],
            expected: .failure(.frontendLength(type: 0x51, length: 3))),
        Row(
            name: "length 0", bytes: [0x53, 0, 0, 0, 0],
            expected: .failure(.frontendLength(type: 0x53, length: 0))),
        Row(
            name: "a negative length", bytes: [0x51, 0xff, 0xff, 0xff, 0xff],
            expected: .failure(.frontendLength(type: 0x51, length: -1))),
        Row(
            name: "a Sync of 20,000 bytes", bytes: [0x53, 0, 0, 0x4e, 0x20],
            expected: .failure(.frontendLength(type: 0x53, length: 20_000))),
        Row(name: "a type that no client sends", bytes: [0x5a], expected: .failure(.frontendType(0x5a))),
        Row(name: "a second startup packet", bytes: [0, 0, 0, 8], expected: .failure(.frontendType(0))),
    ]

    @Test("A client message's header is found or refused before its body is stored", arguments: clientRows)
    func clientHeader(row: Row) {
        let found = row.bytes.withUnsafeBytes { bytes in
            Result { () throws(WireFault) in try FrameSplitter.frontendHeader(in: bytes, at: 0) }
        }
        #expect(found == row.expected)
    }

    @Test("A server message may have a type that this version does not know")
    func unknownServerType() throws {
        let header = try [UInt8]([0x7e, 0, 0, 0, 9]).withUnsafeBytes { try FrameSplitter.backendHeader(in: $0, at: 0) }
        #expect(header == FrameHeader(type: 0x7e, byteCount: 10))
    }

    @Test("Every client message type has a limit, and every other byte has none")
    func limits() {
        for byte in UInt8.min...UInt8.max {
            #expect((FrameLimits.frontendLimit(of: byte) != nil) == (FrontendType(rawValue: byte) != nil))
        }
    }
}

@Suite struct MessageTests {
    @Test("An error's fields survive being written and read")
    func errorFields() {
        let fields = ErrorFields(
            severity: "ERROR", sqlState: "42501", message: "no\u{e4}", detail: "line 1\nline 2", hint: "try")
        let bytes = WireWriter.errorResponse(fields)
        #expect(bytes.withUnsafeBytes { ErrorFields(message: $0) } == fields)
    }

    @Test("A NUL inside a text cannot end a field early")
    func nulInText() {
        let bytes = WireWriter.errorResponse(ErrorFields(severity: "ERROR", sqlState: "42501", message: "a\0Mb"))
        #expect(bytes.withUnsafeBytes { ErrorFields(message: $0).message } == "aMb")
    }

    @Test("An error for a client from before protocol 3 is one line of text and a NUL")
    func errorBeforeProtocol3() {
        let fields = ErrorFields(severity: "FATAL", sqlState: "0A000", message: "no", hint: "not shown")
        #expect(WireWriter.errorBeforeProtocol3(fields) == Array("EFATAL:  no\n\0".utf8))
    }

    @Test("A Parse's text ends at its NUL, or with the message when there is none")
    func parse() {
        let whole: [UInt8] = [0x50, 0, 0, 0, 0] + Array("s\0SELECT 1\0".utf8) + [0, 0]
        whole.withUnsafeBytes {
            #expect(ParseMessage($0)?.name.text == "s")
            #expect(ParseMessage($0)?.text.text == "SELECT 1")
        }
        let open: [UInt8] = [0x50, 0, 0, 0, 0] + Array("s\0SELECT 1".utf8)
        open.withUnsafeBytes { #expect(ParseMessage($0)?.text.text == "SELECT 1") }
        let nameless: [UInt8] = [0x50, 0, 0, 0, 0] + Array("s".utf8)
        nameless.withUnsafeBytes { #expect(ParseMessage($0) == nil) }
    }

    @Test("Every type that a client may send has a limit, and no other byte has")
    func limits() {
        for byte in UInt8.min...UInt8.max {
            #expect((FrameLimits.frontendLimit(of: byte) != nil) == (FrontendType(rawValue: byte) != nil))
        }
    }
}
