"""`[[equivalent]]`: what is read, which survivors it explains, and when it is out of date."""

import pytest

from proctor.catalogue import entries
from proctor.catalogue.equivalents import read_equivalents, sorted_out
from proctor.catalogue.mutants import Mutant
from proctor.errors import ProctorError

ENTRY = """
[[equivalent]]
cell = "q1_1_mean"
operator = "number"
why = "the guard is never below 1"
change = [['''max(n, 1)''', '''max(n, 0)'''], ['''max(n, 1)''', '''max(n, 0)''', 2]]
"""


def mutant(new="max(n, 0)", occurrence=1, operator="number"):
    return Mutant("q1_1_mean", operator, 3, "max(n, 1)", new, occurrence, f"{new} {occurrence}")


@pytest.fixture
def read(tmp_path):
    def of(text):
        (tmp_path / "1a_means.toml").write_text(text)
        return read_equivalents(tmp_path / "1a_means.toml")

    return of


def test_an_entry_explains_the_survivors_that_it_names(read):
    made = [mutant(), mutant(occurrence=2), mutant(new="max(n, 2)"), mutant(operator="other")]
    listed, problems = sorted_out(read(ENTRY), made, made)
    assert (listed, problems) == ({made[0], made[1]}, [])


def test_an_entry_without_changes_explains_all_survivors_of_its_operator(read):
    (entry,) = read(ENTRY.split("change")[0])
    made = [mutant(), mutant(new="max(n, 2)"), mutant(operator="other")]
    assert sorted_out([entry], made, made[1:]) == ({made[1]}, [])
    _, (problem,) = sorted_out([entry], made, made[2:])
    assert "no mutant of number in q1_1_mean survives; take it out" in problem


def test_an_entry_whose_mutant_is_killed_or_gone_is_out_of_date(read):
    made = [mutant(), mutant(new="max(n, 2)")]
    listed, problems = sorted_out(read(ENTRY), made, [])
    assert listed == set()
    assert "1a_means.toml: equivalent entry number 1" in problems[0]
    assert "'max(n, 0)' in place of 'max(n, 1)' (occurrence 1) in q1_1_mean is killed" in problems[0]
    assert "no number makes 'max(n, 0)' of 'max(n, 1)' (occurrence 2) in q1_1_mean any more" in problems[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("why =", "wyh =", "unknown key 'wyh'; it has: cell, change, operator, why"),
        ('why = "the guard is never below 1"', 'why = ""', "add `why`, a text that is not empty"),
        ('operator = "number"', "", "add `operator`"),
        ("'''max(n, 1)''', '''max(n, 0)''', 2", "'''max(n, 1)'''", "write `change` as a list of old lines, new lines"),
        ("[[equivalent]]", "[equivalent]", r"an equivalent mutant begins with \[\[equivalent\]\]"),
        ("cell =", "cell", "cannot be read"),
    ],
)
def test_a_mistake_in_an_entry_is_named(read, old, new, said):
    assert old in ENTRY
    with pytest.raises(ProctorError, match=r"1a_means\.toml.*" + said):
        read(ENTRY.replace(old, new))


def test_the_other_entries_of_the_file_are_read_without_them(read, tmp_path):
    assert read_equivalents(tmp_path / "no_such.toml") == []
    read(ENTRY + '[[right]]\nname = "a"\ncell = "b"\nwhy = "c"\nsource = "d"\n')
    assert [entry.name for entry in entries.load(tmp_path)] == ["a"]
