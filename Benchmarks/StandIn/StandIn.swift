import ArgumentParser
import Glibc
import Transport

/// A stand-in for PostgreSQL and for its clients, where thousands of connections are wanted and no database is: enough of
/// protocol 3.0 for a session to log in, ask something small and end.
@main
struct StandIn: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holdfast-standin", abstract: "Plays a server, or thousands of clients.",
        subcommands: [Serve.self, Clients.self, Connect.self])
}

/// `serve`: the server.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets everybody in and answers every query with one row, until it is ended by a signal.")

    @Option(help: "Address and port; port 0 is any that is free.")
    var listen = "127.0.0.1:0"

    func run() throws {
        let listener = try Listener(try address(listen), backlog: 65_535)
        print("listening on \(listener.address.text)")
        fflush(nil)
        try StandInServer(listener).run()
    }
}

/// What every client needs.
struct ClientOptions: ParsableArguments {
    @Option(help: "Address and port of the server or proxy.")
    var to: String

    @Option(help: "From how many addresses of this machine clients come, 127.0.0.1 upwards: each has 28,000 ports.")
    var sources = 4

    @Flag(help: "With TLS.")
    var tls = false

    @Option(help: "How many connections are on their way at once.")
    var inFlight = 64

    func crowd(reconnects: Bool) throws -> ClientCrowd {
        try ClientCrowd(
            to: try address(to), sources: try (1...max(1, sources)).map { try address("127.0.0.\($0):0") }, isTLS: tls,
            inFlight: inFlight, reconnects: reconnects)
    }
}

/// `clients`: sessions that stay.
struct Clients: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Holds sessions open; told what to do line by line, answers each with one line of JSON.",
        discussion: """
            Reads from standard input:  open N (have N sessions), query (one query on every session), quit.
            With --reconnect a line is also written when sessions were lost and all are in again.
            """)

    @OptionGroup var options: ClientOptions

    @Flag(help: "Sessions that are lost come back, as a pool of connections sees to it.")
    var reconnect = false

    @Flag(help: "A session counts as open once it has had an answer: so a pooler has opened a connection for it.")
    var ask = false

    func run() throws {
        linuxRaiseLimit()
        try options.crowd(reconnects: reconnect).obey(asks: ask)
    }
}

/// `connect`: sessions that come and go.
struct Connect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connects, asks once, ends, and connects again; writes one line of JSON.")

    @OptionGroup var options: ClientOptions

    @Option(help: "How many connections in all.")
    var count = 10_000

    @Flag(help: "Nothing is asked.")
    var mute = false

    func run() throws {
        linuxRaiseLimit()
        try options.crowd(reconnects: false).churn(count: count, asks: !mute)
    }
}

/// The socket address of `127.0.0.1:5432`.
private func address(_ text: String) throws -> SocketAddress {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
        let found = try SocketAddress.resolve(host: String(text[..<colon]), port: port, passive: false).first
    else { throw ValidationError("\"\(text)\" is not an address and a port") }
    return found
}
