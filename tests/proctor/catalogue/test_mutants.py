"""Mutants of a solution cell: what each says of its change, and which are left out."""

import ast

from proctor.catalogue.mutants import mutants_of
from proctor.catalogue.recording import Seen

CELL = """def mean(numbers):
    # 1 + 1 stays
    ### BEGIN SOLUTION
    total = sum(numbers)  # of all
    return total / len(numbers)
    ### END SOLUTION"""


def test_a_mutant_says_where_and_what_it_changes():
    found = {(mutant.operator, mutant.new): mutant for mutant in mutants_of("q1_1_mean", CELL, Seen())}
    mutant = found["binary-div-mul", "return total * len(numbers)"]
    assert (mutant.cell, mutant.line, mutant.old) == ("q1_1_mean", 5, "return total / len(numbers)")
    assert mutant.shown == (
        "q1_1_mean, line 5: binary-div-mul\n    - return total / len(numbers)\n    + return total * len(numbers)"
    )
    # Without its comment, which may be changed without a word to the catalogue.
    assert found["call-dropped", "total = numbers"].old == "total = sum(numbers)"
    assert found["call-dropped", "total = numbers"].line == 4


def test_none_is_the_reference_none_is_made_twice_and_all_are_python():
    sources = [mutant.source for mutant in mutants_of("q1_1_mean", CELL, Seen())]
    meanings = [ast.dump(ast.parse(source)) for source in (CELL, *sources)]
    assert len(set(meanings)) == len(meanings) > 10


def test_what_means_the_same_is_left_out():
    def changed(line):
        return [mutant.new for mutant in mutants_of("q", f"def f(x):\n    return {line}", Seen())]

    # By the library -1 becomes -2 and -0, by the axis 0, which is -0.
    assert changed("x.sum(dim=-1)").count("return x.sum(dim=-2)") == 1
    assert not {"return x.sum(dim=0)"} & set(changed("x.sum(dim=-1)"))
    assert "return x[::2]" not in changed("x[0::2]")


def test_equal_changes_are_told_apart_by_their_number():
    found = mutants_of("q", "def f(x):\n    x = g(x)\n    y = 0\n    x = g(x)\n    return x + y", Seen())
    dropped = [mutant for mutant in found if (mutant.operator, mutant.new) == ("call-dropped", "x = x")]
    assert [(mutant.line, mutant.occurrence) for mutant in dropped] == [(2, 1), (4, 2)]
    assert "call-dropped (2)" in dropped[1].shown
    assert len({mutant.key for mutant in found}) == len(found)


def test_lines_that_are_only_put_in_have_no_old_text():
    cell = "def f(x):\n    ### BEGIN SOLUTION\n    return rand(x)\n    ### END SOLUTION"
    (seeded,) = [mutant for mutant in mutants_of("q", cell, Seen()) if mutant.operator == "seeded"]
    assert (seeded.old, seeded.new, seeded.line) == ("", "torch.manual_seed(0)", 3)
