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

    @Test("Every transcript holds when every text is read elsewhere", arguments: [1, 64, 1 << 20])
    func transcriptsReadElsewhere(chunk: Int) throws {
        for transcript in try Transcript.all() {
            #expect(transcript.failure(chunk: chunk, orders: .all) == nil)
        }
    }
}
