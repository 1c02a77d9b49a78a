import COpenSSL

/// Whose certificate a peer has shown.
package struct PeerCertificate: Sendable, Hashable {
    /// The distinguished name as RFC 2253 writes it: `CN=alice,OU=payments,O=Example`.
    package var subject: String
    /// The first common name in the certificate's own order, as PostgreSQL takes it (`be_tls_open_server`); nil if there is
    /// none, or it has a NUL in it (which nothing honest has).
    package var commonName: String?

    init(_ certificate: OpaquePointer) {
        let name = X509_get_subject_name(certificate)
        subject = Self.text(name)
        commonName = Self.commonName(name)
    }

    private static func text(_ name: OpaquePointer?) -> String {
        guard let name, let memory = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(memory) }
        guard X509_NAME_print_ex(memory, name, 0, openssl_rfc2253()) >= 0 else { return "" }
        var bytes: UnsafeMutablePointer<CChar>?
        let count = openssl_memory(memory, &bytes)
        guard let bytes, count > 0 else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    private static func commonName(_ name: OpaquePointer?) -> String? {
        guard let name else { return nil }
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, let value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)) else { return nil }
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&bytes, value)
        guard count >= 0, let bytes else { return nil }
        defer { CRYPTO_free(bytes, #file, #line) }
        let text = UnsafeBufferPointer(start: bytes, count: Int(count))
        return text.contains(0) ? nil : String(decoding: text, as: UTF8.self)
    }
}
