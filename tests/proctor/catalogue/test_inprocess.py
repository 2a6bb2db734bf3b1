"""`proctor.catalogue.inprocess`: what a cell meets and what comes of it, on small notebooks."""

import json
import os
import re
import subprocess
import sys
import warnings

import pytest

from proctor.catalogue import inprocess
from proctor.errors import ProctorError


def cell(source, grade_id=None, *, points=None, tags=(), cell_type="code"):
    """A code cell; with `points` an autograded test cell, else, with a grade_id, a solution cell."""
    metadata = {"tags": list(tags)} if tags else {}
    if grade_id:
        graded = points is not None
        metadata["nbgrader"] = {"grade": graded, "grade_id": grade_id, "solution": not graded, "locked": graded}
        if graded:
            metadata["nbgrader"]["points"] = points
    return {"cell_type": cell_type, "metadata": metadata, "source": source}


def notebook(*cells):
    return {
        "cells": [part if isinstance(part, dict) else cell(part) for part in cells],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def run(*cells, **options):
    return inprocess.run(notebook(*cells), **options)


def test_cells_share_one_module_and_a_failure_does_not_stop_the_run():
    first, second, third = run("x = 1", "y = x / 0", "print(x, 'y' in globals(), __name__)")
    assert first.ok
    assert (second.error_type, second.error_text) == ("ZeroDivisionError", "division by zero")
    assert (third.ok, third.stdout) == (True, "1 False __main__\n")


def test_runs_do_not_see_each_other_or_the_caller():
    run("left_over = 1")
    (result,) = run("left_over")
    assert result.error_type == "NameError"
    (result,) = run("notebook")
    assert result.error_type == "NameError"


def test_traceback_begins_in_the_cell_and_shows_its_lines():
    _, result = run(cell("def broken():\n    return [][3]", "q1_broken"), cell("\nbroken()", "q1_traceback", points=1))
    assert result.traceback.startswith('Traceback (most recent call last):\n  File "<notebook: q1_traceback>", line 2')
    assert "return [][3]" in result.traceback
    assert "inprocess.py" not in result.traceback
    assert result.message == "IndexError: list index out of range"


def test_cells_are_named_by_grade_id_or_by_place():
    results = run(cell("# Title", cell_type="markdown"), "1", cell("2", "q1_answer"))
    assert [(result.label, result.grade_id) for result in results] == [("cell 2", None), ("q1_answer", "q1_answer")]


def test_inspect_pickle_and_dataclasses_find_the_module():
    results = run(
        "import dataclasses, inspect, pickle\nfrom typing import get_type_hints",
        "@dataclasses.dataclass\nclass Config:\n    size: 'int' = 3\n\n"
        "    def double(self):\n        return 2 * self.size",
        "assert pickle.loads(pickle.dumps(Config(4))) == Config(4)",
        "assert get_type_hints(Config) == {'size': int}",
        "print(inspect.getsource(Config.double))",
    )
    assert [result.message for result in results] == [""] * 5
    assert results[-1].stdout == "    def double(self):\n        return 2 * self.size\n\n"


def test_source_of_an_earlier_run_stays_findable():
    texts = []
    for value in (1, 2):
        text = f"def f():\n    return {value}"
        (*_, result) = run(
            cell("", "q1_f"),
            "import inspect\nprint(inspect.getsource(f), f.__code__.co_filename)",
            sources={"q1_f": text},
        )
        texts.append(result.stdout)
        assert text in result.stdout
    assert texts[0].split("<")[1] != texts[1].split("<")[1]


def test_future_imports_reach_later_cells():
    _, result = run("from __future__ import annotations", "def f(x: no_such_name): pass\nprint(f.__annotations__)")
    assert result.stdout == "{'x': 'no_such_name'}\n"


def test_state_of_the_process_is_put_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "svg")
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    before = sys.modules["__main__"], list(sys.path), sys.stdin, sys.stdout, sys.stderr, list(warnings.filters)
    run(
        "import os, sys, warnings",
        "os.mkdir('deeper'); os.chdir('deeper')",
        "sys.path.append('nowhere'); warnings.simplefilter('error'); sys.stdout = None",
    )
    assert before == (sys.modules["__main__"], sys.path, sys.stdin, sys.stdout, sys.stderr, warnings.filters)
    assert os.getcwd() == str(tmp_path)
    assert os.environ["MPLBACKEND"] == "svg"
    assert "NBGRADER_EXECUTION" not in os.environ


def test_cells_can_tell_that_nbgrader_would_run_them():
    _, result = run("pass", "import os\nprint(os.environ['NBGRADER_EXECUTION'], os.environ['MPLBACKEND'])")
    assert result.stdout == "autograde Agg\n"


def test_output_is_captured_per_cell_from_python_from_descriptors_and_from_child_processes(capfd):
    results = run(
        "import os, subprocess, sys\nprint('first')",
        "print('a')\nos.write(1, b'b\\n')\nsubprocess.run([sys.executable, '-c', 'print(1)'])\nprint('c')",
        "os.write(2, b'from C')",
        "print('no new text on stderr')",
    )
    assert [result.stdout for result in results[:2]] == ["first\n", "a\nb\n1\nc\n"]
    assert [result.stderr for result in results] == ["", "", "from C", ""]
    assert [result.has_stderr for result in results] == [False, False, True, False]
    assert capfd.readouterr() == ("", "")


def test_a_cell_that_closes_or_drops_its_streams_does_not_end_the_capture():
    results = run(
        "import os, sys\nsys.stdout.close()",
        "sys.stderr = None",
        "os.write(1, b'still here')\nos.write(2, b'and here')",
    )
    assert all(result.ok for result in results)
    assert (results[-1].stdout, results[-1].stderr) == ("still here", "and here")


def test_cells_cannot_wait_for_a_keyboard():
    (result,) = run("input()")
    assert result.error_type == "EOFError"


def test_exits_and_pytest_outcomes_are_failures_of_the_cell():
    results = run("raise SystemExit(0)", "import pytest\npytest.skip('no GPU')", "1")
    assert [result.error_type for result in results] == ["SystemExit", "Skipped", None]


def test_an_interruption_ends_the_run_and_puts_the_streams_back():
    stdout = sys.stdout
    with pytest.raises(KeyboardInterrupt):
        run("raise KeyboardInterrupt")
    assert sys.stdout is stdout


def test_an_exception_that_cannot_be_printed_is_reported():
    (result,) = run("class Bad(Exception):\n    def __str__(self):\n        raise ValueError\nraise Bad")
    assert (result.error_type, result.error_text) == ("Bad", "(the exception's text cannot be made)")


@pytest.mark.parametrize("setting", ["error", "ignore"])
def test_a_warning_is_shown_whatever_filters_the_caller_has(setting):
    with warnings.catch_warnings():
        warnings.simplefilter(setting, DeprecationWarning)
        (result,) = run("import warnings\nwarnings.warn('old spelling', DeprecationWarning)")
    assert result.ok
    # Behind the cell's name stands a number if an earlier run had another text under this name.
    assert re.fullmatch(r"text on stderr: <notebook: cell 1.*>:2: DeprecationWarning: old spelling", result.message)


def test_a_deprecation_inside_a_library_is_silent_as_in_a_kernel(tmp_path, monkeypatch):
    (tmp_path / "old_library.py").write_text(
        "import warnings\ndef f():\n    warnings.warn('old', DeprecationWarning)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "old_library", raising=False)
    (result,) = run("import old_library\nold_library.f()")
    assert (result.ok, result.stderr) == (True, "")


def test_a_syntax_warning_belongs_to_its_cell():
    _, result = run("x = 1", "assert (x == 2, 'never fails')")
    assert result.ok
    assert "SyntaxWarning" in result.stderr


def test_replaced_sources_and_chosen_cells():
    cells = [cell("x = 1", "q1_x"), cell("x = 99", tags=["demo"]), cell("print(x)", "q1_check", points=1)]
    results = run(*cells, sources={"q1_x": "x = 2"}, cells=lambda part: "demo" not in part["metadata"].get("tags", []))
    assert [result.label for result in results] == ["q1_x", "q1_check"]
    assert results[-1].stdout == "2\n"


def test_an_unknown_replaced_cell_is_refused():
    with pytest.raises(ProctorError, match="no code cell has the grade_id q9_typo"):
        run(cell("x = 1", "q1_x"), sources={"q9_typo": "x = 2"})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\n  %matplotlib inline", "line 2: '%matplotlib inline' needs Jupyter"),
        ("%%time\nx = 1", "line 1: '%%time' needs Jupyter"),
        ("!ls", "line 1: '!ls' needs Jupyter"),
        ("import asyncio\nawait asyncio.sleep(0)", "line 2: top-level await needs Jupyter"),
    ],
)
def test_jupyter_syntax_is_refused_before_anything_runs(source, said, tmp_path):
    mark = tmp_path / "ran"
    with pytest.raises(ProctorError, match="notebook: q1_answer") as error:
        run(f"open({str(mark)!r}, 'w').close()", cell(source, "q1_answer"))
    assert said in str(error.value)
    assert not mark.exists()
    assert run("x = 1", cell(source), cells=lambda part: part["source"] == "x = 1")[0].ok


def test_percent_and_exclamation_mark_in_python_are_no_magics():
    results = run("x = (7\n% 4)\ntext = '''\n!important\n%time'''\nprint(x)", "def broken(:\n    '''\n%text'''")
    assert results[0].stdout == "3\n"
    assert results[1].error_type == "SyntaxError"


def test_scores_are_all_or_nothing_and_stderr_loses():
    content = notebook(
        cell("x = 1", "q1_x"),
        cell("assert x == 1", "q1_value", points=2),
        cell("assert x == 2", "q1_wrong", points=3),
        cell("import warnings\nwarnings.warn('careful')", "q1_warns", points=1),
        cell("print('fine')", "q1_prints", points=1),
        cell("1", "q1_left_out", points=5),
    )
    results = inprocess.run(content, cells=lambda part: part["source"] != "1")
    assert inprocess.scores(results, content) == {
        "q1_value": (2, 2),
        "q1_wrong": (0, 3),
        "q1_warns": (0, 1),
        "q1_prints": (1, 1),
    }


def test_figures_use_agg_and_are_closed_but_not_the_callers():
    plt = pytest.importorskip("matplotlib.pyplot")
    mine = plt.figure().number
    try:
        results = run(
            "import matplotlib.pyplot as plt\nfor _ in range(15):\n    plt.figure()\nprint(plt.get_backend().lower())",
            "for _ in range(15):\n    plt.figure()\nplt.show()",
        )
        assert results[0].stdout == "agg\n"
        # Over 20 open figures matplotlib would warn.
        assert [result.message for result in results] == ["", ""]
        assert plt.get_fignums() == [mine]
    finally:
        plt.close(mine)


def test_a_file_is_run_without_jupyter(tmp_path):
    path = tmp_path / "small.ipynb"
    path.write_text(json.dumps(notebook("import sys", cell("assert sys", "q1_check", points=1))))
    program = (
        "import sys; from proctor.catalogue import inprocess\n"
        "results = inprocess.run(sys.argv[1])\n"
        "print(inprocess.scores(results, sys.argv[1]))\n"
        "loaded = {'IPython', 'nbformat', 'nbgrader', 'jupyter_core', 'numpy'} & sys.modules.keys()\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{'q1_check': (1.0, 1.0)}\n", "")


def test_checks_draw_their_inputs_from_the_key_and_afterwards_as_before():
    draw = cell("from dl1 import generator; import torch; print(torch.rand(3, generator=generator('x')).tolist())")

    def drawn(**options):
        (result,) = run(draw, **options)
        return result.stdout

    own = drawn()
    assert len({own, drawn(key=b"one"), drawn(key=b"two")}) == 3
    assert drawn(key=b"one") == drawn(key=b"one")
    assert drawn() == own
