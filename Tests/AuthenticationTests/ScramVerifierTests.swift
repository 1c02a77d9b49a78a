import Testing

@testable import Authentication

@Suite struct ScramVerifierTests {
    @Test func whatPostgreSQLWritesIsRead() throws {
        let verifier = try #require(ScramVerifier(pencil))
        #expect(verifier.iterationCount == 4096)
        #expect(verifier.salt == "TV2AU+Mg1RL1wNXdAH+dRQ==")
        #expect(Base64.encode(verifier.storedKey) == "6M0dkdAgQHfWt1SJKQbSnuabOq2kjXwQ9od0QtnKPJw=")
        #expect(Base64.encode(verifier.serverKey) == "vXDQE0Jyk1qdBUt6YjCmjMk0oURGrdOZnbEANUJvB38=")
    }

    static let key = "6M0dkdAgQHfWt1SJKQbSnuabOq2kjXwQ9od0QtnKPJw="

    @Test(arguments: [
        "", "SCRAM-SHA-256", "SCRAM-SHA-256$4096", "SCRAM-SHA-256$4096:c2FsdA==", "SCRAM-SHA-256$4096:c2FsdA==$\(key)",
        "SCRAM-SHA-256$4096:c2FsdA==$\(key):\(key):\(key)", "SCRAM-SHA-256$4096:c2FsdA==$\(key):\(key)$",
        "scram-sha-256$4096:c2FsdA==$\(key):\(key)", "SCRAM-SHA-1$4096:c2FsdA==$\(key):\(key)",
        "SCRAM-SHA-256$:c2FsdA==$\(key):\(key)", "SCRAM-SHA-256$0:c2FsdA==$\(key):\(key)",
        "SCRAM-SHA-256$-1:c2FsdA==$\(key):\(key)", "SCRAM-SHA-256$2147483648:c2FsdA==$\(key):\(key)",
        "SCRAM-SHA-256$99999999999999999999:c2FsdA==$\(key):\(key)", "SCRAM-SHA-256$4096:$\(key):\(key)",
        "SCRAM-SHA-256$4096:c2FsdA=$\(key):\(key)", "SCRAM-SHA-256$4096:c2Fs dA=$\(key):\(key)",
        "SCRAM-SHA-256$4096:c2FsdA==$c2FsdA==:\(key)", "SCRAM-SHA-256$4096:c2FsdA==$\(key):c2FsdA==",
        "md55d41402abc4b2a76b9719d911017c592", "pencil",
    ])
    func anythingElseIsNoVerifier(text: String) { #expect(ScramVerifier(text) == nil) }

    @Test func base64GoesBothWays() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            let text = Base64.encode(bytes)
            #expect(text.count == (count + 2) / 3 * 4)
            #expect(Base64.decode(text.utf8) == bytes)
        }
        #expect(Base64.encode(Array("foobar".utf8)) == "Zm9vYmFy")
        for text in ["Z", "Zm9", "Zm9v\n", "Zm9vYg=", "====", "Z===", "Zm=v", "Zm9vYg==Zm9v", "Zm9_"] {
            #expect(Base64.decode(text.utf8) == nil)
        }
    }
}
