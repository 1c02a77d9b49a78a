import ArgumentParser
import Audit
import Configuration
import Foundation
import Gateway

/// `holdfast audit verify`: proves that a trail is whole, or names what is wrong.
struct AuditVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove that the trail is whole, or name the first record that is not.",
        discussion: """
            Reads all files of the trail, closed ones too, and checks each record's code against the record before it. \
            Needs no running Holdfast. Exits with 0 if all is whole, with 1 if something is wrong, with 2 if it \
            cannot be checked.

            With --checkpoints it is also proven that nothing was cut off the end: they are the lines that Holdfast \
            appended to a file of "checkpoints" under [audit] in proxy.conf, or that a sink has (lines of a syslog \
            server's file, the column "line" of a table; other lines in it, and other trails', are passed over), kept \
            where who can change the trail cannot.

            Examples:
              holdfast audit verify
              holdfast audit verify --checkpoints /mnt/heads.jsonl --public-key 3b6a27…
              holdfast audit verify --file audit-000001.jsonl.zst --file audit.jsonl --key-file audit.keys
            """)

    @Option(
        name: .customLong("file"),
        help: ArgumentHelp(
            "A file of the trail; several in their order. Default: all that proxy.conf names.", valueName: "file"))
    var files: [String] = []

    @Option(
        help: ArgumentHelp(
            "The proxy.conf that names the trail; default: proxy.conf here, then in /etc/holdfast.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The keys. Default: those that proxy.conf names.", valueName: "file"))
    var keyFile: String?

    @Flag(help: "Without keys: order and gaps only. Whoever can write the files can then have changed any record.")
    var withoutKeys = false

    @Option(help: ArgumentHelp("Checkpoints that were kept elsewhere.", valueName: "file"))
    var checkpoints: [String] = []

    @Option(
        help: ArgumentHelp("Whose signature checkpoints must have (\"holdfast audit public-key\").", valueName: "key"))
    var publicKey: String?

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() throws {
        let result: AuditVerifier.Result
        do throws(AuditFault) {
            result = try verify()
        } catch {
            ConfigurationOption.printError("holdfast: cannot verify: \(error.description)")
            throw ExitCode(2)
        }
        if json { try printJSON(result) } else { printText(result) }
        if !result.isWhole { throw ExitCode(1) }
    }

    private func verify() throws(AuditFault) -> AuditVerifier.Result {
        let place = try TrailPlace(config: config, isNeeded: files.isEmpty || (keyFile == nil && !withoutKeys))
        var keys: AuditKeys?
        if !withoutKeys {
            guard let path = keyFile ?? place?.chain.keyPath else {
                throw AuditFault(description: "name the keys with --key-file, or do --without-keys")
            }
            keys = try AuditKeys.load(path, creates: false)
        }
        let paths = files.isEmpty ? place.map { AuditFiles(livePath: $0.path).members().map(\.path) } ?? [] : files
        guard !paths.isEmpty else { throw AuditFault(description: "there is no trail at \(place?.path ?? "")") }
        var verifier = AuditVerifier(keys: keys, publicKey: publicKey?.lowercased())
        if let first = paths.first { verifier.expect(trailOf: first) }
        for path in checkpoints { try verifier.expect(checkpointsIn: path) }
        if files.isEmpty, let place {
            take(AuditFiles(livePath: place.path), &verifier)
        } else {
            for path in paths { verifier.take(path) }
        }
        let result = verifier.finish(isAll: files.isEmpty)
        // Emptied files prove nothing.
        guard result.records > 0 || result.unsealed > 0 || !result.isWhole else {
            throw AuditFault(
                description: "there is no record in \(paths.joined(separator: ", ")): of a trail that was emptied only "
                    + "checkpoints tell (--checkpoints)")
        }
        return result
    }

    /// All files of a trail. A running Holdfast closes, compresses and deletes some meanwhile, and may be in the middle of a
    /// line: what was found while a file changed is looked at again.
    private func take(_ trail: AuditFiles, _ verifier: inout AuditVerifier) {
        let untouched = verifier
        var last: Int64 = 0
        var repetitions = 0
        func repeats() -> Bool {
            repetitions += 1
            usleep(20_000)
            return repetitions < 100
        }
        while true {
            let members = trail.members()
            guard let next = members.first(where: { $0.number ?? .max > last }) else { return }
            // keep_files has overtaken us.
            if last > 0, !members.contains(where: { $0.number == last }), repeats() {
                verifier = untouched
                last = 0
                continue
            }
            let before = FileState(next.path)
            var attempt = verifier
            attempt.take(next.path)
            // The writer may have been stopped within a line, too: a finding in its file is looked at for a tenth of a second.
            let mayChange = FileState(next.path) != before || before == nil || (next.number == nil && repetitions < 5)
            if attempt.findingCount > verifier.findingCount, mayChange, repeats() { continue }
            // What was written when the files were listed has been closed since, and something else is written now.
            if next.number == nil, trail.members().contains(where: { $0.number ?? 0 > last }), repeats() { continue }
            verifier = attempt
            guard let number = next.number else { return }
            last = number
        }
    }

    /// Which file a path names, and how long it is.
    private struct FileState: Equatable {
        var device: dev_t
        var inode: ino_t
        var byteCount: off_t

        /// Nil if there is none.
        init?(_ path: String) {
            var information = stat()
            guard stat(path, &information) == 0 else { return nil }
            device = information.st_dev
            inode = information.st_ino
            byteCount = information.st_size
        }
    }

    private func printText(_ result: AuditVerifier.Result) {
        for finding in result.findings {
            let place = finding.line > 0 ? ", line \(finding.line)" : finding.line < 0 ? ", its last line" : ""
            let number = finding.sequence.map { ", record \($0)" } ?? ""
            print("\(finding.kind.rawValue): \(finding.path)\(place)\(number): \(finding.text)")
        }
        if result.findingCount > result.findings.count {
            print("and \(result.findingCount - result.findings.count) more")
        }
        if !result.isWhole { print("") }
        let range = result.firstSequence.map { "records \($0) to \(result.lastSequence ?? $0)" } ?? "no records"
        let files = "\(result.files) file\(result.files == 1 ? "" : "s")"
        if result.isWhole {
            print("The trail is whole: \(range) in \(files).")
        } else {
            print(
                "The trail is NOT whole: \(result.findingCount) finding\(result.findingCount == 1 ? "" : "s"), \(range) in \(files)."
            )
        }
        if result.retired > 0 {
            print("Files 1 to \(result.retired) are not here: deleted by keep_files, or not given.")
        }
        if result.recovered > 0 {
            print(
                "\(result.recovered) line\(result.recovered == 1 ? "" : "s") torn by a crash; the trail says so itself."
            )
        }
        if result.unsealed > 0 {
            print("\(result.unsealed) records are older than the chain: nothing is known of them.")
        }
        print("")
        if withoutKeys {
            print(
                "Proven: the numbers of the records have no gap. Not proven: what the records say (no keys were given)."
            )
        } else {
            print(
                "Proven: each of these records is as it was written, in its place, by who had the key; none between the first "
                    + "and the last is missing.")
        }
        if checkpoints.isEmpty {
            print(
                "Not proven: that nothing followed the last record. Checkpoints kept elsewhere prove that (--checkpoints)."
            )
        } else {
            print("Proven: nothing that the \(result.checkpoints) checkpoints knew of was cut off the end.")
            if publicKey == nil { print("Not proven: who wrote the checkpoints (--public-key).") }
        }
        if !withoutKeys { print("Not proven: anything against who has the key file.") }
    }

    private func printJSON(_ result: AuditVerifier.Result) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        print(String(decoding: try encoder.encode(result), as: UTF8.self))
    }
}

/// Where proxy.conf says that the trail is.
struct TrailPlace {
    var path: String
    var chain: AuditChainSettings

    /// Nil if it is not needed and there is no proxy.conf.
    init?(config: String?, isNeeded: Bool) throws(AuditFault) {
        do throws(ConfigurationError) {
            let configuration = try ConfigurationFile.load(path: config, version: 1)
            path = configuration.resolve(configuration.audit.path)
            chain = ProxyServer.chain(configuration, trailPath: path)
        } catch {
            guard isNeeded else { return nil }
            throw AuditFault(description: error.description + "\nOr name the trail itself with --file.")
        }
    }
}

/// `holdfast audit new-key`: the trail is sealed with another key from the next reload on.
struct AuditNewKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new-key",
        abstract: "Add a key to the key file; a running Holdfast seals with it from its next reload (SIGHUP) on.",
        discussion: "Old keys stay in the file: what they sealed is verified with them. Keep a copy of it elsewhere.")

    @Option(
        help: ArgumentHelp(
            "The proxy.conf that names the key file; default: proxy.conf here, then in /etc/holdfast.",
            valueName: "file"))
    var config: String?

    func run() throws {
        do throws(AuditFault) {
            guard let place = try TrailPlace(config: config, isNeeded: true) else { return }
            print("key \(try AuditKeys.addKey(place.chain.keyPath)) added to \(place.chain.keyPath); reload Holdfast")
        } catch {
            throw Complaint(error.description)
        }
    }
}

/// `holdfast audit public-key`: what checkpoints are verified with.
struct AuditPublicKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "public-key",
        abstract: "Print the public half of the key that signs checkpoints, for --public-key of audit verify.")

    @Option(
        help: ArgumentHelp(
            "The proxy.conf that names the key; default: proxy.conf here, then in /etc/holdfast.", valueName: "file"))
    var config: String?

    func run() throws {
        do throws(AuditFault) {
            guard let place = try TrailPlace(config: config, isNeeded: true) else { return }
            print(try AuditSigner.load(place.chain.signingKeyPath, creates: false).publicKey)
        } catch {
            throw Complaint(error.description)
        }
    }
}
