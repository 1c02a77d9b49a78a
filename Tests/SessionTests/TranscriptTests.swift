import Testing

@Suite struct TranscriptTests {
    @Test("Every transcript holds, however the bytes are cut", arguments: [1, 3, 7, 64, 1 << 20])
    func transcripts(chunk: Int) throws {
        let transcripts = try Transcript.all()
        #expect(transcripts.count >= 15)
        for transcript in transcripts {
            #expect(transcript.failure(chunk: chunk) == nil)
        }
    }
}
