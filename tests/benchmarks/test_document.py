from benchmarks.document import processor, table, write_section


def test_a_section_replaces_the_one_of_the_same_heading_and_no_other(tmp_path):
    document = tmp_path / "benchmarks.md"
    for text in ("## A\n\nold\n", "## B\n\nkept\n", "## A\n\nnew\n"):
        write_section(document, text)
    sections = document.read_text().split("\n## ")
    assert sections[0].startswith("# Benchmarks")
    assert [s.split() for s in sections[1:]] == [["B", "kept"], ["A", "new"]]


def test_a_table_has_a_line_a_row():
    assert table(["", "files/s"], [["ours", "9"]]).splitlines() == [
        "|  | files/s |",
        "| --- | ---: |",
        "| ours | 9 |",
    ]


def test_the_processor_has_a_name():
    assert processor()
