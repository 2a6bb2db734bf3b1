"""No text of a table is a formula, wherever a spreadsheet begins a cell, and all others arrive as they are."""

import pytest

from proctor.plugin.table_file import as_cell, is_plain, write_table


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        (" =1", "' =1"),
        ("＋1", "'＋1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("a;=1", "a;'=1"),
        (";=1", ";'=1"),
        ("a; -1", "a; '-1"),
        ("a\n=1", "a\n'=1"),
        ("a\n b; @c", "a\n b; '@c"),
    ],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text, cell):
    assert as_cell(text) == cell
    assert not is_plain(text)


@pytest.mark.parametrize("text", ["", "Vries, de", 'O"Neil', "a-b", "a=b", "陈伟", "x; y", "#-1", "a@b.nl"])
def test_other_texts_stay(text):
    assert as_cell(text) == text


def test_numbers_are_numbers():
    assert (as_cell(-1.5), as_cell(None)) == (-1.5, "")


def test_a_table_that_can_not_be_written_leaves_the_old_one(tmp_path):
    target = tmp_path / "a.csv"
    write_table(target, ["a"], [["b,c"]], shared=True)
    assert target.read_text(encoding="utf-8").splitlines() == ["a", '"b,c"']
    assert target.stat().st_mode & 0o777 == 0o660
    with pytest.raises(OSError, match="No such file") as error:
        write_table(tmp_path / "gone" / "a.csv", ["a"], [], shared=False)
    assert error.value.filename == str(tmp_path / "gone" / "a.csv")
