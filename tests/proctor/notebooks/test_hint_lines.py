import pytest

from dl1.contract import sealed_hints
from proctor.errors import ProctorError
from proctor.notebooks.hint_lines import (
    MARKER,
    SealedHints,
    file_of,
    public_part,
    read_sealed,
    with_line,
    without_lines,
    write_sealed,
)

LINE = MARKER + "AbC+/9=="
TEST = "# Check 1\nassert f(1)\n### BEGIN HIDDEN TESTS\nassert f(2)\n### END HIDDEN TESTS\nprint()"


def test_both_sides_mean_the_same_lines():
    assert MARKER == sealed_hints.MARKER
    line = sealed_hints.sealed_line([("name", [1, 2, 3, 4], ["hint"])], 2)
    assert without_lines(f"a\n{line}\nb") == "a\nb"


@pytest.mark.parametrize("text", [TEST, "assert f(1)", "# Check 1", ""])
def test_a_line_goes_in_once_and_out_again(text):
    cell = with_line(text, LINE)
    assert cell.split("\n").count(LINE) == 1
    assert with_line(cell, LINE) == cell
    assert without_lines(cell).strip() == text
    assert with_line(text, "") == text
    # The first line is what a folded cell shows.
    assert not text or cell.split("\n")[0] == text.split("\n")[0]


@pytest.mark.parametrize("line", ["# Sealed hints: are these", "x = '# Sealed hints: AA=='", " # Sealed hints: AA=="])
def test_what_a_student_writes_about_them_stays(line):
    assert without_lines(f"a\n{line}") == f"a\n{line}"


def test_the_public_part_has_nothing_that_is_hidden():
    assert public_part(TEST) == "# Check 1\nassert f(1)\nprint()"
    assert public_part("assert f(1)\n### BEGIN HIDDEN TESTS\nassert f(2)") == ""


def test_files_are_read_as_they_were_written(tmp_path):
    file = file_of(tmp_path, "1a")
    assert read_sealed(file) == {}
    hints = {"q1": SealedHints("ab12", LINE), "q2": SealedHints("cd34", "")}
    write_sealed(file, hints)
    assert read_sealed(file) == hints


@pytest.mark.parametrize(
    "text",
    ["[q1", "q1 = 1", "[q1]\nline = ''", "[q1]\nmade_of = 'a'\nline = 'x = 1'", "[q1]\nmade_of = 1\nline = ''", "\0"],
)
def test_a_file_with_something_else_in_it_is_refused_in_words(tmp_path, text):
    (tmp_path / "1a.toml").write_text(text)
    with pytest.raises(ProctorError, match="1a.toml: .*run: python -m proctor.catalogue --seal"):
        read_sealed(tmp_path / "1a.toml")
