import Testing

@testable import Snapshots

@Suite struct `A listing of pg_restore's` {
    private static let listing = """
        ;
        ; Archive created at 2026-11-26 14:14:48 UTC
        ;     Format: CUSTOM
        ;
        3420; 0 0 ENCODING - ENCODING 
        6; 2615 16385 SCHEMA - s postgres
        217; 1259 16397 TABLE s parent postgres
        ;	depends on: 852 227 6
        3425; 0 0 COMMENT s TABLE parent postgres
        ;	depends on: 217
        3427; 0 0 ACL s TABLE parent postgres
        ;	depends on: 217
        3428; 0 0 ACL s COLUMN parent.d postgres
        ;	depends on: 217 3427
        226; 1259 16467 TABLE s we.ird "q n; 5 postgres
        ;	depends on: 6
        3414; 0 16397 ROW SECURITY s parent postgres
        ;	depends on: 217
        3415; 3256 16424 POLICY s parent pol postgres
        ;	depends on: 217
        3431; 0 0 COMMENT s POLICY pol ON parent postgres
        ;	depends on: 3415
        """

    private let contents = ArchiveContents(listing: Self.listing)

    @Test func `has an entry for each line that is no comment`() {
        #expect(contents.entries.map(\.number) == [3420, 6, 217, 3425, 3427, 3428, 226, 3414, 3415, 3431])
        #expect(contents.number(catalog: 1259, oid: 16467) == 226)
        #expect(contents.number(catalog: 1259, oid: 1) == nil)
    }

    @Test func `tells what an entry depends on`() {
        #expect(contents.entries.first { $0.number == 217 }?.dependencies == [852, 227, 6])
        #expect(contents.entries.first { $0.number == 6 }?.dependencies == [])
    }

    @Test func `takes comments, privileges and row security along, but no entry that stands for an object of its own`()
    {
        #expect(contents.withAttached([217]) == [217, 3425, 3427, 3428, 3414])
        #expect(contents.withAttached([217, 3415]) == [217, 3425, 3427, 3428, 3414, 3415, 3431])
        #expect(contents.withAttached([226]) == [226])
    }

    @Test func `that is none, or torn, has no entries`() {
        for text in ["", "\n\n", "pg_restore: error: x", "1; 2", "x; 1 2 TABLE a b", "; 1 2 3"] {
            #expect(ArchiveContents(listing: text).entries.isEmpty, "\(text)")
        }
    }
}
