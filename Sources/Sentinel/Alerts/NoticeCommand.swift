import CLinux
import Foundation

/// Runs the operator's program with a notice on its standard input: an argument list, no shell. Blocks; any thread.
struct NoticeCommand: Sendable {
    struct Fault: Error {
        var reason: String
    }

    /// The program's path, then its arguments.
    let words: [String]
    let timeout: Duration

    /// - Throws: it cannot be started, does not end in time (then it is killed), or does not end with 0.
    func run(_ input: Data) throws(Fault) {
        guard let program = words.first else { return }
        let files: (input: FileHandle, output: FileHandle)
        files = (try Self.file(input), try Self.file(Data()))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = Array(words.dropFirst())
        // Files, not pipes: nobody waits for a program that does not read, and none can fill a pipe.
        process.standardInput = files.input
        process.standardOutput = files.output
        process.standardError = files.output
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        do {
            try process.run()
        } catch {
            throw Fault(reason: "\(program) cannot be started: \(error.localizedDescription)")
        }
        let seconds = Double(timeout.milliseconds) / 1000
        guard ended.wait(timeout: .now() + seconds) == .success else {
            kill(process.processIdentifier, SIGKILL)
            _ = ended.wait(timeout: .now() + 5)
            throw Fault(reason: "\(program) did not end within \(seconds) s and was killed")
        }
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            let end = process.terminationReason == .exit ? "exit code" : "signal"
            throw Fault(
                reason: "\(program) ended with \(end) \(process.terminationStatus)\(Self.lastWords(files.output))")
        }
    }

    /// A file without a name that holds the bytes, at its beginning.
    private static func file(_ data: Data) throws(Fault) -> FileHandle {
        let descriptor = linux_memory_file("holdfast-notice")
        guard descriptor >= 0 else {
            throw Fault(reason: "memfd_create: \(String(cString: strerror(-descriptor)))")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: data)
            try handle.seek(toOffset: 0)
        } catch {
            throw Fault(reason: "a file in memory cannot be written: \(error)")
        }
        return handle
    }

    private static func lastWords(_ output: FileHandle) -> String {
        guard let end = try? output.seekToEnd(), end > 0 else { return "" }
        try? output.seek(toOffset: end > 300 ? end - 300 : 0)
        let text = String(decoding: (try? output.readToEnd()) ?? Data(), as: UTF8.self)
        return ": " + text.split(whereSeparator: \.isNewline).suffix(3).joined(separator: " / ")
    }
}
