// swift-tools-version: 6.2
import PackageDescription

// PostgreSQL's server headers describe the parse tree that libpg_query returns. Debian installs them here
// (package postgresql-server-dev-15); there is no pkg-config file for them.
let postgresServerHeaders = "/usr/include/postgresql/15/server"

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    // Debug builds, and so the tests, check at run time that no two accesses to a class's property overlap. In release
    // these checks were 4,800 of the proxy's own 14,908 instructions for a pgbench SELECT (callgrind).
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]
let parseTreeHeaders: [SwiftSetting] = strict + [.unsafeFlags(["-Xcc", "-I\(postgresServerHeaders)"])]

// libpg_query is linked in: as a shared library it finds its thread's state by a call, some 60 times for a pgbench SELECT
// (`__tls_get_addr`; 7 % of the instructions of a 2 KB join, with the jumps between its own functions).
let parseLibrary: LinkerSetting = .unsafeFlags(["-Xlinker", "-l:libpg_query.a"])

let package = Package(
    name: "holdfast",
    products: [.executable(name: "holdfast", targets: ["holdfast"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        // The kernel and C libraries.
        .target(name: "CLinux"),
        .target(
            name: "CPgQuery",
            cSettings: [.unsafeFlags(["-I\(postgresServerHeaders)"])],
            linkerSettings: [parseLibrary]),

        .target(name: "CLibPQ", linkerSettings: [.linkedLibrary("pq")]),
        .target(name: "CZstd", linkerSettings: [.linkedLibrary("zstd")]),
        .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),

        // The pure ring: no sockets, files, clocks, threads, randomness or logging.
        .target(name: "PostgresWire", swiftSettings: strict),
        .target(name: "SQLParsing", dependencies: ["CPgQuery"], swiftSettings: parseTreeHeaders),
        .target(name: "Policy", dependencies: ["SQLParsing"], swiftSettings: strict),
        .target(name: "Session", dependencies: ["PostgresWire", "Policy", "SQLParsing"], swiftSettings: strict),
        .target(name: "Authentication", dependencies: ["COpenSSL", "PostgresWire"], swiftSettings: strict),
        .target(
            name: "Configuration",
            dependencies: ["Policy", "SQLParsing", .product(name: "TOMLKit", package: "TOMLKit")],
            swiftSettings: strict),

        // The outer ring.
        .target(name: "TLSEngine", dependencies: ["COpenSSL"], swiftSettings: strict),
        .target(name: "Transport", dependencies: ["CLinux", "TLSEngine"], swiftSettings: strict),
        .target(name: "Telemetry", swiftSettings: strict),
        .target(
            name: "Audit", dependencies: ["CLinux", "CZstd", "CZlib", "COpenSSL", "Policy"], swiftSettings: strict),
        .target(name: "ServerLink", dependencies: ["CLibPQ"], swiftSettings: strict),
        .target(
            name: "AuditSinks",
            dependencies: [
                "Audit", "ServerLink", "TLSEngine", "CLinux", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(name: "Unseen", dependencies: ["Audit", "ServerLink", "CLinux"], swiftSettings: strict),
        .target(name: "DatabaseGuard", dependencies: ["ServerLink"], swiftSettings: strict),
        .target(
            name: "Sentinel",
            dependencies: [
                "Configuration", "ServerLink", "Snapshots", "CLinux", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "Snapshots", dependencies: ["Configuration", "ServerLink", "CLinux", "COpenSSL"],
            swiftSettings: strict),
        .target(
            name: "Gateway",
            dependencies: [
                "Authentication", "Unseen", "Sentinel", "Snapshots", "ServerLink", "Session", "PostgresWire", "Policy",
                "SQLParsing", "Configuration", "Transport", "TLSEngine", "Audit", "AuditSinks", "CLinux", "Telemetry",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "holdfast",
            dependencies: [
                "Gateway", "Configuration", "Policy", "SQLParsing", "Audit", "AuditSinks", "DatabaseGuard", "Unseen",
                "Sentinel", "Snapshots", "ServerLink",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        .executableTarget(
            name: "holdfast-benchmark", dependencies: ["Session", "PostgresWire", "Policy", "SQLParsing", "CLinux"],
            path: "Benchmarks/Micro", swiftSettings: strict),
        // A server and thousands of clients, for Benchmarks/connections and Tests/EndToEnd/test_connections.py.
        .executableTarget(
            name: "holdfast-standin",
            dependencies: [
                "Transport", "TLSEngine", "CLinux", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/StandIn", swiftSettings: strict),
        // A trail of millions of records, for Benchmarks/trail-search.
        .executableTarget(
            name: "holdfast-trailmaker", dependencies: ["Audit"], path: "Benchmarks/TrailMaker", swiftSettings: strict),
        // What our lexer sees, for the comparison with a real server (Tests/EndToEnd/test_lexer_differential.py).
        .executableTarget(
            name: "holdfast-lexdump", dependencies: ["SQLParsing"], path: "Tests/Support/LexDump",
            swiftSettings: strict),

        // What must hold for any bytes at all: run by Tests/FuzzTests, and driven by libFuzzer (scripts/fuzz).
        .target(name: "CGrammar", path: "Tests/Support/CGrammar", linkerSettings: [parseLibrary]),
        .target(
            name: "FuzzProperties", dependencies: ["CGrammar", "Session", "PostgresWire", "Policy", "SQLParsing"],
            path: "Tests/Support/FuzzProperties", swiftSettings: strict),

        .testTarget(name: "PostgresWireTests", dependencies: ["PostgresWire"], swiftSettings: strict),
        .testTarget(name: "SQLParsingTests", dependencies: ["SQLParsing"], swiftSettings: strict),
        .testTarget(
            name: "PolicyTests", dependencies: ["Policy", "SQLParsing", "Configuration"], exclude: ["Verdicts"],
            swiftSettings: strict),
        .testTarget(
            name: "AuthenticationTests", dependencies: ["Authentication", "PostgresWire", "COpenSSL"],
            swiftSettings: strict),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"], swiftSettings: strict),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"], swiftSettings: strict),
        .testTarget(name: "AuditTests", dependencies: ["Audit", "Policy"], swiftSettings: strict),
        .testTarget(name: "AuditSinksTests", dependencies: ["AuditSinks", "Audit"], swiftSettings: strict),
        .testTarget(
            name: "SentinelTests", dependencies: ["Sentinel", "Snapshots", "Configuration"], swiftSettings: strict),
        .testTarget(
            name: "SnapshotsTests", dependencies: ["Snapshots", "Configuration"], swiftSettings: strict),
        .testTarget(name: "UnseenTests", dependencies: ["Unseen", "Audit"], swiftSettings: strict),
        .testTarget(
            name: "SessionTests", dependencies: ["Session", "PostgresWire", "Policy", "SQLParsing"],
            exclude: ["Transcripts"], swiftSettings: strict),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Gateway", "Configuration", "Policy", "SQLParsing", "Transport", "Audit",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(name: "TransportTests", dependencies: ["Transport", "CLinux"], swiftSettings: strict),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzProperties"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers' program links only with -sanitize=fuzzer: scripts/fuzz alone builds it.
if Context.environment["HOLDFAST_FUZZING"] != nil {
    package.targets += [
        .target(name: "CLibFuzzer", path: "Fuzzing/CLibFuzzer"),
        .executableTarget(
            name: "holdfast-fuzz", dependencies: ["FuzzProperties", "CLibFuzzer"], path: "Fuzzing/Driver",
            swiftSettings: strict),
    ]
}
