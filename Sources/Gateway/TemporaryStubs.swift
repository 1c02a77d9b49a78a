import Configuration
import Logging
package enum LogSetup {
    package static func bootstrap(level: String) { LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) } }
    nonisolated(unsafe) package static var level = ""
}
package struct EmbeddedServerError: Error {}
package final class EmbeddedServer {
    package static func start(settings: EmbeddedServerSettings, baseDirectory: String, progress: (String) -> Void) throws(EmbeddedServerError) -> EmbeddedServer { EmbeddedServer() }
    package var address: ServerAddress { .tcp(host: "127.0.0.1", port: 5432) }
    package func stop() {}
}
