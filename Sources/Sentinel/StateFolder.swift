import Foundation

/// The folder of what watches remember: `NAME.baseline.json`, what somebody accepted, and `NAME.state.json`, what
/// rounds have left. Files are replaced whole. Any thread; blocks.
package struct StateFolder: Sendable {
    package let path: String

    package struct Fault: Error, Sendable, CustomStringConvertible {
        package var description: String
        package init(description: String) { self.description = description }
    }

    package init(_ path: String) { self.path = path }

    package func baselinePath(_ watch: String) -> String { "\(path)/\(watch).baseline.json" }
    package func statePath(_ watch: String) -> String { "\(path)/\(watch).state.json" }

    /// Makes the folder, if it is not there.
    package func create() throws(Fault) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault(description: "the folder \(path) of what watches remember cannot be made: \(error)")
        }
    }

    /// The accepted state of a watch.
    package func baseline(_ watch: String) -> ExpectedState {
        let path = baselinePath(watch)
        do throws(Fault) {
            guard let baseline: Baseline = try read(path) else { return .missing }
            guard baseline.version == 1 else { return .unreadable("\(path) is of a later version of Holdfast") }
            return .baseline(baseline)
        } catch {
            return .unreadable(error.description)
        }
    }

    /// Changes when a file does; nil where there is none.
    func stamp(_ path: String) -> String? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        let time = information.st_mtim
        return "\(information.st_ino) \(information.st_size) \(time.tv_sec).\(time.tv_nsec)"
    }

    package func write(_ baseline: Baseline, _ watch: String) throws(Fault) {
        try write(baseline, to: baselinePath(watch))
    }

    /// What is remembered of a watch; nil if nothing is.
    package func state(_ watch: String) throws(Fault) -> WatchState? {
        guard let state: WatchState = try read(statePath(watch)) else { return nil }
        guard state.version == 1 else {
            throw Fault(description: "\(statePath(watch)) is of a later version of Holdfast")
        }
        return state
    }

    package func write(_ state: WatchState, _ watch: String) throws(Fault) {
        try write(state, to: statePath(watch))
    }

    /// A file that cannot be used is set aside, so that its successor does not destroy it.
    package func setAside(_ path: String) { rename(path, path + ".broken") }

    // MARK: - One process writes

    /// Held by whoever writes states: `holdfast serve`, or a command that records.
    package final class Lock: Sendable {
        private let descriptor: Int32

        init(_ descriptor: Int32) { self.descriptor = descriptor }

        deinit { close(descriptor) }
    }

    /// The lock; nil if another process has it.
    package func lock() throws(Fault) -> Lock? { try lock(file: "\(path)/lock") }

    func lock(file: String) throws(Fault) -> Lock? {
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Fault(description: "\(file) cannot be opened: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        return Lock(descriptor)
    }

    // MARK: - Files

    func read<Value: Decodable>(_ path: String) throws(Fault) -> Value? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Fault(description: "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            return try JSONDecoder().decode(Value.self, from: try handle.readToEnd() ?? Data())
        } catch let error as DecodingError {
            throw Fault(description: "\(path) does not make sense: \(Self.words(error))")
        } catch {
            throw Fault(description: "\(path) cannot be read: \(error.localizedDescription)")
        }
    }

    private static func words(_ error: DecodingError) -> String {
        switch error {
        case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context):
            context.debugDescription
        case .keyNotFound(let key, _): "it has no \"\(key.stringValue)\""
        @unknown default: "\(error)"
        }
    }

    func write(_ value: some Encodable, to path: String) throws(Fault) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(value)
        } catch {
            throw Fault(description: "\(path) cannot be written: \(error)")
        }
        func failed(_ what: String) -> Fault {
            Fault(description: "\(path) cannot be written: \(what): \(String(cString: strerror(errno)))")
        }
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failed("open") }
        var fault: Fault?
        data.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count, let start = bytes.baseAddress {
                let count = Glibc.write(descriptor, start + written, bytes.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    fault = failed("write")
                    return
                }
                written += count
            }
        }
        // Before its name leads to it, its contents are on the disk.
        if fault == nil, fsync(descriptor) != 0 { fault = failed("fsync") }
        close(descriptor)
        if fault == nil, rename(temporary, path) != 0 { fault = failed("rename") }
        if let fault {
            unlink(temporary)
            throw fault
        }
        let folder = open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            _ = fsync(folder)
            close(folder)
        }
    }
}
