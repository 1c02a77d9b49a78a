import Testing

@testable import Unseen

@Suite struct ObjectIdentityTests {
    struct Row: CustomTestStringConvertible {
        var identity: String
        var names: [[String]]
        var testDescription: String { identity }
    }

    @Test(
        "Names are read as PostgreSQL writes them",
        arguments: [
            Row(identity: "public.orders", names: [["public", "orders"]]),
            Row(identity: #"public."Odd ""Name"".x""#, names: [["public", #"Odd "Name".x"#]]),
            Row(identity: "t on public.orders", names: [["t"], ["public", "orders"]]),
            Row(identity: #""on" on public."in""#, names: [["on"], ["public", "in"]]),
            Row(identity: "for public.orders.note", names: [["public", "orders", "note"]]),
            Row(identity: "public.f(integer,character varying)", names: [["public", "f"]]),
            Row(identity: #"public.f(public."odd)type")"#, names: [["public", "f"]]),
            Row(identity: "public.orders[]", names: [["public", "orders"]]),
            Row(identity: "public.===(integer,integer)", names: [["public", "==="]]),
            Row(identity: "(public.mood AS integer)", names: []),
            Row(identity: "public.orders in publication p", names: [["public", "orders"], ["p"]]),
            Row(identity: "", names: []), Row(identity: "\"", names: [[""]]), Row(identity: "a.", names: [["a"]]),
            Row(identity: ")(", names: []),
        ])
    func names(row: Row) { #expect(ObjectIdentity(row.identity).names == row.names) }

    @Test func `The owner of a part is its table`() {
        #expect(ObjectIdentity("public.t.c").owner(objectType: "table column") == ["public", "t"])
        #expect(ObjectIdentity("tr on public.t").owner(objectType: "trigger") == ["public", "t"])
        #expect(ObjectIdentity("public.t").owner(objectType: "table").isEmpty)
    }
}
