"""The catalogue of misconceptions and the command that checks it, on a small notebook without torch."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proctor.catalogue import entries as catalogue
from proctor.catalogue import variant_runs
from proctor.catalogue.__main__ import main
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

MEAN = """def mean(numbers):
    ### BEGIN SOLUTION
    total = sum(numbers)
    return total / len(numbers)
    ### END SOLUTION"""

SPREAD = """def spread(numbers):
    ### BEGIN SOLUTION
    return max(numbers) - min(numbers)
    ### END SOLUTION"""

WRONG = """
[[wrong]]
name = "mean-of-all-but-one"
cell = "q1_1_mean"
hint = "you divide by one number too few"
loses = ["q1_1_values", "q1_1_single"]
change = [['''len(numbers)''', '''(len(numbers) - 1)''']]
"""

RIGHT = """
[[right]]
name = "mean-from-library"
cell = "q1_1_mean"
why = "statistics does the work"
source = '''
import statistics
mean = statistics.mean
'''
"""


def cell(source, grade_id=None, *, points=None, tags=()):
    metadata = {"tags": list(tags)} if tags else {}
    if grade_id:
        graded = points is not None
        metadata["nbgrader"] = {"grade": graded, "grade_id": grade_id, "solution": not graded, "locked": graded}
        if graded:
            metadata["nbgrader"]["points"] = points
    return {"cell_type": "code", "metadata": metadata, "source": source}


def small_course():
    return [
        cell("print('a demo')", tags=["demo"]),
        cell(MEAN, "q1_1_mean"),
        cell("assert mean([1, 2, 6]) == 3", "q1_1_values", points=2),
        cell("assert mean([4]) == 4", "q1_1_single", points=1),
        cell(SPREAD, "q1_2a_spread"),
        cell("assert spread([1, 2, 6]) == 5", "q1_2a_values", points=3),
    ]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Writes a course's notebook and catalogue; returns a function that runs the command and gives its exit status."""
    # The command sets these for the whole process; here that is pytest's.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    (tmp_path / "source" / "week1").mkdir(parents=True)
    (tmp_path / "misconceptions").mkdir()

    def checked(entries, *options, cells=None):
        content = {"cells": cells or small_course(), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "source" / "week1" / "1a_means.ipynb").write_text(json.dumps(content))
        (tmp_path / "misconceptions" / "1a_means.toml").write_text(entries)
        return main([str(tmp_path / "source"), str(tmp_path / "misconceptions"), *options])

    return checked


@pytest.fixture
def load(tmp_path):
    def loaded(text):
        file = tmp_path / "1a_means.toml"
        file.write_text(text)
        return catalogue.load(file)

    return loaded


def rows(printed):
    """The table's rows by entry, as lists of words."""
    return {
        words[0]: words for line in printed.splitlines() if (words := line.split()) and words[-1] in ("OK", "SURPRISE")
    }


def test_entries_are_read_with_all_their_parts(load):
    wrong, right = load(WRONG + RIGHT)
    assert (wrong.kind, wrong.name, wrong.notebook, wrong.cell) == (
        "wrong",
        "mean-of-all-but-one",
        "1a_means",
        "q1_1_mean",
    )
    assert wrong.hint == "you divide by one number too few"
    assert wrong.loses == ("q1_1_values", "q1_1_single")
    assert wrong.changes == (("len(numbers)", "(len(numbers) - 1)"),)
    assert (right.kind, right.why, right.loses, right.changes) == ("right", "statistics does the work", (), None)


def test_a_folder_is_read_file_by_file(tmp_path):
    (tmp_path / "b.toml").write_text(RIGHT)
    (tmp_path / "a.toml").write_text(WRONG)
    (tmp_path / "README.md").write_text("not a catalogue")
    assert [(entry.notebook, entry.kind) for entry in catalogue.load(tmp_path)] == [("a", "wrong"), ("b", "right")]


def test_a_change_replaces_the_text_and_drops_the_markers(load):
    (entry,) = load(WRONG)
    assert catalogue.apply(entry, MEAN) == (
        "def mean(numbers):\n    total = sum(numbers)\n    return total / (len(numbers) - 1)"
    )


def test_every_old_text_is_looked_for_in_the_reference_and_not_in_earlier_changes(load):
    (entry,) = load(WRONG.replace("[['''", "[['''sum(numbers)''', '''max(numbers) * len(numbers)'''], ['''"))
    assert catalogue.apply(entry, MEAN).endswith(
        "total = max(numbers) * len(numbers)\n    return total / (len(numbers) - 1)"
    )


def test_a_change_may_join_what_a_marker_separates(load):
    (entry,) = load(
        WRONG.replace("'''len(numbers)'''", "'''(numbers):\n    total = sum'''").replace(
            "(len(numbers) - 1)", "(numbers):\n    total = max"
        )
    )
    assert "total = max(numbers)" in catalogue.apply(entry, MEAN)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name =", "nmae =", "wrong entry number 1: unknown key 'nmae'; a wrong entry has: breaks, cell, change, hint"),
        ('hint = "you divide by one number too few"', "", "wrong entry 'mean-of-all-but-one': add `hint`"),
        ('hint = "you divide by one number too few"', 'hint = " "', "add `hint`, a text that is not empty"),
        ('loses = ["q1_1_values", "q1_1_single"]', "", "add `loses`"),
        ('loses = ["q1_1_values", "q1_1_single"]', "loses = []", "add `loses`, a list .* at least one"),
        ('"q1_1_values", "q1_1_single"', '"q1_1_values", "q1_1_values"', "names a test cell twice"),
        ('"q1_1_single"', '"q1_2a_values"', "has cells of q1_1 and q1_2, and a mistake may cost one question only"),
        ("[[wrong]]", "[wrong]", "an entry begins with \\[\\[wrong\\]\\] or \\[\\[right\\]\\]"),
        ("[[wrong]]", "[[worng]]", "'worng' is unknown here"),
        ("change =", "source = 'x'\nchange =", "give either `change` or `source`"),
        ("change = [['''len(numbers)''', '''(len(numbers) - 1)''']]", "", "give either `change` or `source`"),
        ("[['''len(numbers)''', '''(len(numbers) - 1)''']]", "['a', 'b']", "write `change` as a list of pairs"),
        ("'''(len(numbers) - 1)'''", "'''len(numbers)'''", "old and new text of a change are the same"),
        ("cell =", "cell", "is not TOML .*; correct it there"),
        ("hint =", "breaks = 'It is a mean'\nhint =", "`breaks` has to be a list of rules"),
        ("hint =", "breaks = [' ']\nhint =", "`breaks` has to be a list of rules"),
    ],
)
def test_a_mistake_in_an_entry_is_named_with_file_and_entry(load, old, new, said):
    assert old in WRONG
    with pytest.raises(ProctorError, match=r"1a_means\.toml.*" + said):
        load(WRONG.replace(old, new))


def test_a_right_entry_has_no_hint_and_loses_nothing(load):
    with pytest.raises(ProctorError, match="unknown key 'loses'; a right entry has: cell, change, name, source, why"):
        load(RIGHT + 'loses = ["q1_1_values"]')


def test_two_entries_of_a_file_cannot_share_a_name(load):
    with pytest.raises(ProctorError, match="right entry 'mean-of-all-but-one': another entry of this file"):
        load(WRONG + RIGHT.replace("mean-from-library", "mean-of-all-but-one"))


def test_a_missing_file_and_an_empty_folder_are_reported(tmp_path):
    with pytest.raises(ProctorError, match="1a_means.toml: cannot be read"):
        catalogue.load(tmp_path / "1a_means.toml")
    with pytest.raises(ProctorError, match="there is no .toml file"):
        catalogue.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("len(number)", "1", "occurs 0 times in the reference solution of q1_1_mean .* copy it from the notebook"),
        ("numbers", "x", "occurs 3 times .* add a neighbouring line"),
        ("### BEGIN SOLUTION", "", "occurs 0 times"),
        ("len(numbers)", "len(numbers", "makes a syntax error in line 3"),
        ("len(numbers)", "( len(numbers) )  # the same", "changes nothing that Python sees"),
        ("sum(numbers)''', '''0'''], ['''= sum(", "= max(", "two of the old texts overlap"),
    ],
)
def test_a_change_that_does_not_fit_the_reference_is_refused(load, old, new, said):
    (entry,) = load(WRONG.replace("'''len(numbers)''', '''(len(numbers) - 1)'''", f"'''{old}''', '''{new}'''"))
    with pytest.raises(ProctorError, match=r"1a_means\.toml: wrong entry 'mean-of-all-but-one'.*" + said):
        catalogue.apply(entry, MEAN)


@pytest.mark.parametrize(
    "text", ["2", "1.0", "True", "-1", "'1'", "b'1'", "(1,)", "[1]", "1, 1", "1j", "...", "None", "x"]
)
def test_any_other_value_is_a_change(load, text):
    (entry,) = load(RIGHT)
    entry = dataclasses.replace(entry, source=f"value = {text}")
    reference = "### BEGIN SOLUTION\nvalue = 1\n### END SOLUTION"
    assert catalogue.apply(entry, reference) == entry.source
    with pytest.raises(ProctorError, match="changes nothing"):
        catalogue.apply(dataclasses.replace(entry, source="value = (1)  # one"), reference)


def test_a_changed_cell_that_is_no_python_and_one_that_is_the_reference_are_refused(load):
    (entry,) = load(RIGHT.replace("import statistics", "%load_ext statistics"))
    with pytest.raises(ProctorError, match="makes a syntax error in line 1"):
        catalogue.apply(entry, MEAN)
    (entry,) = load(f"{RIGHT.split('source')[0]}source = '''{MEAN}'''")
    with pytest.raises(ProctorError, match="changes nothing"):
        catalogue.apply(entry, MEAN)


@pytest.mark.parametrize(
    ("grade_id", "expected"),
    [("q2_3a_values", "q2_3"), ("q2_3_values", "q2_3"), ("q2_3b", "q2_3"), ("q2_10a_x_y", "q2_10"), ("rope", "rope")],
)
def test_the_question_of_a_cell(grade_id, expected):
    assert catalogue.question(grade_id) == expected


def test_a_catalogue_that_fits_passes_and_the_table_says_what_was_lost(course, capsys, tmp_path):
    assert course(WRONG + RIGHT, "--jobs", "2", "--markdown", str(tmp_path / "table.md")) == 0
    printed = capsys.readouterr()
    table = rows(printed.out)
    wrong = ["mean-of-all-but-one", "wrong", "q1_1_mean", "3", "3", "q1_1_values", "q1_1_single", "OK"]
    assert table["mean-of-all-but-one"] == wrong
    assert table["mean-from-library"] == ["mean-from-library", "right", "q1_1_mean", "0", "0", "none", "OK"]
    assert table["(release"][2:] == ["untouched", "all", "6", "6", "all", "OK"]
    assert "Untested checks, which no wrong variant loses: q1_2a_values." in printed.out
    assert printed.out.splitlines()[-1] == "1 wrong variant caught, 1 correct variant unharmed, 0 surprises"
    assert "1a_means [2/2]" in printed.err
    markdown = (tmp_path / "table.md").read_text()
    assert "| mean-of-all-but-one | wrong | q1\\_1\\_mean | you divide by one number too few | 3 | 3 |" in markdown
    assert "1 wrong variant caught, 1 correct variant unharmed, 0 surprises" in markdown


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        # No check has an empty list: this mistake stays undiscovered.
        (
            WRONG.replace(
                "change = [['''len(numbers)''', '''(len(numbers) - 1)''']]",
                "change = [['''len(numbers)''', '''max(len(numbers), 1)''']]",
            ),
            ["q1_1_values is not lost", "q1_1_single is not lost", "you divide by one number too few"],
        ),
        (
            WRONG.replace('"q1_1_values", "q1_1_single"', '"q1_1_values"'),
            ["q1_1_single is lost too: ZeroDivisionError: division by zero"],
        ),
        (
            RIGHT.replace("statistics.mean", "statistics.median"),
            ["q1_1_values is lost too: AssertionError", "statistics does the work"],
        ),
        (
            RIGHT.replace("mean = ", "import warnings\ndef mean(x):\n    warnings.warn('slow')\n    return "),
            ["q1_1_values is lost too: "],
        ),
    ],
    ids=["not caught", "loses more", "right one loses", "right one warns"],
)
def test_a_surprise_is_shown_with_its_reason_and_fails(course, capsys, entry, said):
    assert course(entry) == 1
    printed = capsys.readouterr().out
    assert [words[-1] for name, words in rows(printed).items() if name != "(release"] == ["SURPRISE"]
    for line in said:
        assert f"    {line}" in printed
    assert printed.splitlines()[-1] == "0 wrong variants caught, 0 correct variants unharmed, 1 surprise"


def test_hanging_and_crashing_variants_are_reported_and_the_others_still_run(course, capsys):
    crash = RIGHT.replace("mean-from-library", "crash").replace(
        "import statistics", "import statistics, os; os._exit(3)"
    )
    hang = RIGHT.replace("mean-from-library", "hang").replace(
        "import statistics", "import statistics\nwhile True: pass"
    )
    kill = RIGHT.replace("mean-from-library", "kill").replace(
        "import statistics", "import statistics, os; os.kill(os.getpid(), 9)"
    )
    # Long enough for the other runs on a busy machine; the endless loop costs this time.
    assert course(crash + hang + kill + WRONG + RIGHT, "--timeout", "5", "--jobs", "3") == 1
    printed = capsys.readouterr().out
    table = rows(printed)
    assert {name: words[-1] for name, words in table.items() if name != "(release"} == {
        "crash": "SURPRISE",
        "hang": "SURPRISE",
        "kill": "SURPRISE",
        "mean-of-all-but-one": "OK",
        "mean-from-library": "OK",
    }
    assert "its process ended early: exit status 3" in printed
    assert "stopped after 5 s" in printed
    assert "its process ended early: killed by SIGKILL" in printed
    assert table["hang"][4] == "-"


def test_a_reference_that_fails_stops_the_command_with_the_cells_messages(course, capsys):
    cells = small_course()
    cells[3]["source"] = "assert mean([4]) == 5, 'not five'"
    cells[0]["source"] = "1 / 0"
    assert course(WRONG, cells=cells) == 2
    printed = capsys.readouterr()
    assert "q1_1_single: AssertionError: not five" in printed.err
    assert "cell 1: ZeroDivisionError: division by zero" in printed.err
    assert printed.out == ""


def test_an_untouched_notebook_that_gets_points_or_fails_otherwise_is_a_surprise(course, capsys):
    cells = small_course()
    cells.append(cell("assert callable(spread)", "q1_2a_exists", points=1))
    cells.append(
        cell("try:\n    spread([1])\nexcept Exception:\n    raise ValueError('no spread')", "q1_2a_other", points=1)
    )
    assert course(WRONG, cells=cells) == 1
    printed = capsys.readouterr().out
    assert "q1_2a_exists does not raise NotImplementedError: it passes" in printed
    assert "q1_2a_other does not raise NotImplementedError: ValueError: no spread" in printed
    assert rows(printed)["mean-of-all-but-one"][-1] == "OK"


def test_only_the_reference_runs_demo_cells(course, tmp_path):
    cells = small_course()
    cells[0]["source"] = f"with open({str(tmp_path / 'runs')!r}, 'a') as file: file.write('x')"
    assert course(WRONG + RIGHT, cells=cells) == 0
    assert (tmp_path / "runs").read_text() == "x"


def test_what_a_notebook_writes_does_not_land_in_the_source(course, tmp_path):
    cells = small_course()
    cells[0]["source"] = "assert open('figures/a.svg').read() == 'picture'\nopen('export.py', 'w').close()"
    figures = tmp_path / "source" / "week1" / "figures"
    figures.mkdir()
    (figures / "a.svg").write_text("picture")
    assert course(WRONG, cells=cells) == 0
    assert sorted(path.name for path in figures.parent.iterdir()) == ["1a_means.ipynb", "figures"]


def test_parts_of_a_catalogue_can_be_run(course, capsys):
    assert course(WRONG + RIGHT, "--only", "mean-from-library", "--notebook", "1a_means") == 0
    printed = capsys.readouterr().out
    assert "mean-of-all-but-one" not in printed
    assert "Untested" not in printed
    assert course(WRONG, "--only", "mean-from-typo") == 2
    assert "there is no entry mean-from-typo" in capsys.readouterr().err
    assert course(WRONG, "--notebook", "9z_typo") == 2
    assert "9z_typo.toml: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"q1_1_mean"', '"q1_1_maen"', "'q1_1_maen' is not a solution cell .* one of: q1_1_mean, q1_2a_spread"),
        ('cell = "q1_1_mean"', 'cell = "q1_1_values"', "'q1_1_values' is not a solution cell"),
        ('"q1_1_values", "q1_1_single"', '"q1_1_typo"', "q1_1_typo in `loses` is no test cell"),
        ('"q1_1_values", "q1_1_single"', '"q1_1_mean"', "q1_1_mean in `loses` is no test cell"),
    ],
)
def test_cells_that_the_notebook_does_not_have_are_refused(load, old, new, said):
    notebook = {"cells": small_course(), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    entries = load(WRONG.replace(old, new))
    with pytest.raises(ProctorError, match=r"1a_means\.toml: wrong entry 'mean-of-all-but-one': .*" + said):
        catalogue.variants(entries, notebook)


def test_a_rule_that_no_wrong_answer_breaks_fails_the_command(course, capsys):
    rules = {"cell_type": "markdown", "metadata": {}, "source": "**The rules**\n- A mean is a float.\n"}
    assert course(WRONG, cells=[rules, *small_course()]) == 1
    assert "1a_means: no wrong answer breaks the rule 'A mean is a float.'" in capsys.readouterr().out
    broken = WRONG.replace("loses =", 'breaks = ["A mean is"]\nloses =')
    assert course(broken, cells=[rules, *small_course()]) == 0
    assert "A mean is a float.\n    q1_1_values q1_1_single <- mean-of-all-but-one" in capsys.readouterr().out


def test_a_catalogue_without_a_notebook_is_refused(course, capsys, tmp_path):
    (tmp_path / "misconceptions" / "2b_other.toml").write_text(RIGHT)
    assert course(WRONG) == 2
    assert "0 notebooks have the name 2b_other.ipynb" in capsys.readouterr().err


def test_modules_are_imported_before_the_fork_and_failures_ignored(monkeypatch, tmp_path):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND"):
        monkeypatch.setenv(name, "7")
    (tmp_path / "heavy_module.py").write_text("loaded = True")
    (tmp_path / "broken_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    cells = [
        "import no_such_module, heavy_module as heavy",
        "%matplotlib inline",
        "from broken_module import x\nfrom os import path\ndef f():\n    import late_module",
    ]
    try:
        variant_runs.preload({"cells": [cell(source) for source in cells]})
        assert sys.modules["heavy_module"].loaded
        assert "late_module" not in sys.modules
        assert os.environ["OMP_NUM_THREADS"] == "1"
    finally:
        sys.modules.pop("heavy_module", None)


def test_a_system_without_fork_is_told_so(course, capsys, monkeypatch):
    monkeypatch.delattr(os, "fork")
    assert course(WRONG) == 2
    assert "needs os.fork, which Windows does not have" in capsys.readouterr().err


def test_the_command_runs_as_a_module(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "misconceptions").mkdir()
    content = {"cells": small_course(), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "source" / "1a_means.ipynb").write_text(json.dumps(content))
    (tmp_path / "misconceptions" / "1a_means.toml").write_text(WRONG)
    root = Path(catalogue.__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "proctor.catalogue"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("1 wrong variant caught, 0 correct variants unharmed, 0 surprises\n")
    assert notebook_cells.read(tmp_path / "source" / "1a_means.ipynb") == content
