import Foundation

/// Finds and reads `proxy.conf` from the disk. The only part of this target that touches files.
package enum ConfigurationFile {
    /// Where the file is looked for when none is named, in this order.
    package static let defaultPaths = ["proxy.conf", "/etc/holdfast/proxy.conf"]

    /// A configuration file is a few pages; more than this is some other file.
    package static let maximumBytes = 1 << 20

    /// The path given, or the first default path where a file exists; nil when there is none.
    package static func locate(_ given: String?) -> String? {
        given ?? defaultPaths.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// Reads and validates a file.
    ///
    /// - Parameters:
    ///   - path: the file; nil looks in the default places.
    ///   - version: the version of its rules: one more with every reload.
    /// - Throws: `ConfigurationError`; a file that is missing or cannot be read is an issue at its line 1.
    package static func load(path given: String?, version: Int) throws(ConfigurationError) -> ProxyConfiguration {
        guard let path = locate(given) else {
            throw fault(
                in: "proxy.conf", "no configuration file was found",
                remedy: "neither \(defaultPaths.joined(separator: " nor ")) exists; name one with --config FILE")
        }
        let text = try text(of: path)
        let folder = URL(fileURLWithPath: path).standardizedFileURL.deletingLastPathComponent().path
        return try ConfigurationReader.read(text, file: path, folder: folder, version: version)
    }

    private static func text(of path: String) throws(ConfigurationError) -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw fault(in: path, "the file does not exist", remedy: "name an existing file with --config FILE")
        }
        guard !isFolder.boolValue else {
            throw fault(in: path, "this is a folder", remedy: "name the file in it with --config FILE")
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw fault(in: path, "the file cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { try? handle.close() }
        let data: Data
        do {
            data = try handle.read(upToCount: maximumBytes + 1) ?? Data()
        } catch {
            throw fault(in: path, "the file cannot be read: \(error.localizedDescription)")
        }
        guard data.count <= maximumBytes else {
            throw fault(in: path, "the file has more than \(maximumBytes) bytes", remedy: "is this proxy.conf?")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            let bytes = Array(data)
            let valid = String(decoding: bytes, as: UTF8.self).utf8
            let offset = zip(bytes, valid).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? bytes.count
            throw ConfigurationError(issues: [
                ConfigurationIssue(
                    file: path, position: TOMLPositions.position(of: offset, in: bytes),
                    message: "this is not UTF-8", remedy: "save the file as UTF-8")
            ])
        }
        return text
    }

    private static func fault(in file: String, _ message: String, remedy: String = "") -> ConfigurationError {
        ConfigurationError(issues: [
            ConfigurationIssue(
                file: file, position: SourcePosition(line: 1, column: 1), message: message, remedy: remedy)
        ])
    }
}
