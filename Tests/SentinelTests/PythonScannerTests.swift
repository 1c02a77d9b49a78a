import Testing

@testable import Sentinel

@Suite struct `Assignments in Python files` {
    struct Row: CustomTestStringConvertible {
        var text: String
        var value: PythonLiteral?
        var testDescription: String { text }
    }

    static let rows: [Row] = [
        Row(text: "down_revision = 'abc'", value: .text("abc")),
        Row(text: "down_revision = \"abc\"  # comment 'x'", value: .text("abc")),
        Row(text: "down_revision: str | None = None", value: PythonLiteral.none),
        Row(text: "down_revision: Union[str, Sequence[str], None] = \"abc\"", value: .text("abc")),
        Row(text: "down_revision = ('a', 'b')", value: .texts(["a", "b"])),
        Row(text: "down_revision = 'a', 'b'", value: .texts(["a", "b"])),
        Row(text: "down_revision = 'a',", value: .texts(["a"])),
        Row(text: "down_revision = ['a',\n  # why\n  'b',\n]", value: .texts(["a", "b"])),
        Row(text: "down_revision = (\n  'abc'\n)", value: .text("abc")),
        Row(text: "down_revision = ('ab' 'c')", value: .text("abc")),
        Row(text: "down_revision = ()", value: .texts([])),
        Row(text: "down_revision = \\\n  'abc'", value: .text("abc")),
        Row(text: "x = 1; down_revision = 'abc'", value: .text("abc")),
        Row(text: "down_revision = r'a\\b'", value: .text("a\\b")),
        Row(text: "down_revision = 'a\\'b'", value: .text("a'b")),
        Row(text: "\u{FEFF}down_revision = 'abc'\r\n", value: .text("abc")),
        Row(text: "\"\"\"\ndown_revision = 'no'\n\"\"\"\ndown_revision = 'abc'", value: .text("abc")),
        Row(text: "down_revision = '''abc'''", value: .text("abc")),
        Row(text: "down_revision = 'first'\ndown_revision = 'last'", value: .text("last")),
        // What has to be run.
        Row(text: "down_revision = f'{x}'", value: .open),
        Row(text: "down_revision = b'abc'", value: .open),
        Row(text: "down_revision = other", value: .open),
        Row(text: "down_revision = 'a' + 'b'", value: .open),
        Row(text: "down_revision = get('a')", value: .open),
        Row(text: "down_revision = other.down_revision = 'a'", value: .open),
        Row(text: "down_revision = 'a' if x else 'b'", value: .open),
        Row(text: "down_revision = ('a', None)", value: .open),
        // What is no assignment of the module's.
        Row(text: "if x:\n    down_revision = 'abc'", value: nil),
        Row(text: "def f():\n\tdown_revision = 'abc'", value: nil),
        Row(text: "# down_revision = 'abc'", value: nil),
        Row(text: "down_revision == 'abc'", value: nil),
        Row(text: "x = (\ndown_revision, 'abc')", value: nil),
        Row(text: "down_revision", value: nil),
        Row(text: "x.down_revision = 'abc'", value: nil),
        Row(text: "down_revision += 'abc'", value: nil),
    ]

    @Test(arguments: rows) func `are read without running them`(row: Row) {
        let values = PythonAssignments(row.text, wanted: ["down_revision"], isOfModule: true).values
        #expect(values["down_revision"] == row.value)
    }

    @Test(arguments: ["'", "\"\"\"", "(", "[[[[[[[[[[[[", "\\", "f'", "down_revision = (", "down_revision = '\\", "r"])
    func `end wherever the file ends`(text: String) {
        for suffix in ["", "\n", "down_revision = 'x'"] {
            _ = PythonAssignments(text + suffix, wanted: ["down_revision"], isOfModule: true)
        }
    }

    @Test func `do not overflow the stack for deep brackets`() {
        let text = "down_revision = " + String(repeating: "(", count: 100_000)
        #expect(
            PythonAssignments(text, wanted: ["down_revision"], isOfModule: true).values["down_revision"] == .open)
    }

    @Test func `of pairs are read, as Django's squashed migrations have them`() {
        let text = "class Migration(migrations.Migration):\n    replaces = [('shop', '0001'), ('shop', '0002')]\n"
        #expect(
            PythonAssignments(text, wanted: ["replaces"], isOfModule: false).values["replaces"]
                == .pairs([["shop", "0001"], ["shop", "0002"]]))
    }
}
