import Policy

/// Socket addresses as `proxy.conf` writes them: `127.0.0.1:6543`, `[::1]:6543`, `db.example:5432`, `unix:/path`.
enum AddressText: Hashable {
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    /// Why a text is no address: what is wrong, and what to write.
    struct Fault: Error, Hashable {
        var message: String
        var remedy: String
    }

    /// The longest path that a Unix-domain socket's address holds (`sun_path` less its NUL).
    static let maximumSocketPathBytes = 107

    static func parse(_ text: String, examplePort: Int) throws(Fault) -> AddressText {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty else {
                throw Fault(message: "no path stands behind \"unix:\"", remedy: "write unix:/run/holdfast/socket")
            }
            guard path.utf8.count <= maximumSocketPathBytes else {
                throw Fault(
                    message: "the socket's path has \(path.utf8.count) bytes",
                    remedy: "a Unix-domain socket's path has at most \(maximumSocketPathBytes)")
            }
            return .unix(path: path)
        }
        if text.hasPrefix("/") {
            throw Fault(message: "\"\(text)\" is a path", remedy: "for a Unix-domain socket write \"unix:\(text)\"")
        }
        guard let colon = text.lastIndex(of: ":") else {
            let isPort = !text.isEmpty && text.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
            throw Fault(
                message: "\"\(text)\" has no \(isPort ? "host" : "port")",
                remedy: "write \"\(isPort ? "127.0.0.1:\(text)" : "\(text):\(examplePort)")\"")
        }
        let host = try host(String(text[..<colon]), examplePort: examplePort)
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(digits) else {
            throw Fault(message: "\"\(digits)\" is no port", remedy: "a port is a number from 0 to 65535")
        }
        return .tcp(host: host, port: port)
    }

    private static func host(_ text: String, examplePort: Int) throws(Fault) -> String {
        if text.hasPrefix("["), text.hasSuffix("]") {
            let inner = String(text.dropFirst().dropLast())
            guard let address = NetworkAddress(inner), inner.contains(":") else {
                throw Fault(
                    message: "\"\(inner)\" is no IPv6 address", remedy: "write it like \"[::1]:\(examplePort)\"")
            }
            _ = address
            return inner
        }
        guard !text.contains(":"), !text.contains("["), !text.contains("]") else {
            throw Fault(
                message: "an IPv6 address stands in square brackets", remedy: "write it like \"[::1]:\(examplePort)\"")
        }
        guard !text.isEmpty, text != "*" else {
            throw Fault(
                message: "no host stands before the port",
                remedy: "write 0.0.0.0:\(examplePort) or [::]:\(examplePort) for every address of this machine")
        }
        guard text.utf8.count <= 255, text.utf8.allSatisfy(isHostCharacter) else {
            throw Fault(
                message: "\"\(text)\" is no host name or address",
                remedy: "write it like \"127.0.0.1:\(examplePort)\" or \"db.example:\(examplePort)\"")
        }
        if text.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }), NetworkAddress(text) == nil
        {
            throw Fault(message: "\"\(text)\" is no IPv4 address", remedy: "four numbers from 0 to 255 with dots")
        }
        return text
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
