package enum SecretRedaction {
    package static func redacted(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> String {
        String(decoding: text, as: UTF8.self)
    }
}
