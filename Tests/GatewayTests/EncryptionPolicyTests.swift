import Configuration
import Testing

@testable import Gateway

@Suite struct `How servers are met, after a reload` {
    private static func read(_ blocks: String) throws -> ProxyConfiguration {
        try ConfigurationReader.read("server = \"db:5432\"\n" + blocks, file: "proxy.conf", version: 1)
    }

    private static func block(_ name: String, tls: String) -> String {
        "[[upstream]]\nname = \"\(name)\"\ndatabases = \"\(name)\"\nserver = \"b:1\"\n\(tls)\n"
    }

    @Test func `is as before for a block that is gone, since its sessions still go there`() throws {
        let before = try EncryptionPolicy(Self.read(Self.block("billing", tls: "tls = { mode = \"require\" }")))
        let renamed = try Self.read(Self.block("bills", tls: "tls = { mode = \"prefer\" }"))
        let after = try EncryptionPolicy(renamed, former: before)
        #expect(after.server(of: "billing").settings.mode == .require)
        #expect(after.server(of: "bills").settings.mode == .prefer)
    }

    @Test func `is what the file says for a block that has changed`() throws {
        let before = try EncryptionPolicy(Self.read(Self.block("billing", tls: "tls = { mode = \"require\" }")))
        let bare = try EncryptionPolicy(Self.read(Self.block("billing", tls: "")), former: before)
        #expect(bare.server(of: "billing").settings.mode == .disable)
    }
}
