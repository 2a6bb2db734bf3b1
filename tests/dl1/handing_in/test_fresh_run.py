"""What fails from top to bottom is named by its cell, and nothing in the student's folder is changed by looking."""

import json

from dl1.handing_in import fresh_run
from dl1.handing_in.folder import look_into
from tests.dl1.handing_in.small_assignment import change, finished


def test_what_fails_in_a_fresh_kernel_is_named_and_leaves_no_trace(tmp_path):
    folder = finished(tmp_path / "ps1")
    # One notebook is enough to start a kernel for.
    (folder / "2_two.ipynb").unlink()
    change(folder / "1_one.ipynb", "setup", "import os\nopen('made.txt', 'w').write('x')")
    change(folder / "1_one.ipynb", "q1_1_f", "def f(x):\n    return 3 * x + left_over")
    change(
        folder / "1_one.ipynb", "q1_3_g", "def g(x):\n    raise NotImplementedError(os.environ['NBGRADER_EXECUTION'])"
    )
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert list(fresh_run.failures(look_into(folder))) == [
        ("1_one.ipynb", "in a fresh kernel q1_1_f_test fails: NameError: name 'left_over' is not defined"),
        ("1_one.ipynb", "in a fresh kernel 1 of the cells wait for answers, q1_3_g_test first"),
    ]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "outputs" in json.loads(before["1_one.ipynb"])["cells"][1]


def test_of_many_failures_the_first_are_said(tmp_path, monkeypatch):
    folder = look_into(finished(tmp_path / "ps1"))
    failed = [(number, "", "NameError", "x") for number in range(9)]
    monkeypatch.setattr(fresh_run, "_run", lambda path: failed if path.name == "1_one.ipynb" else [])
    lines = [line for _, line in fresh_run.failures(folder)]
    assert len(lines) == 6
    assert lines[0] == "in a fresh kernel cell 0 fails: NameError: x"
    assert lines[-1] == "in a fresh kernel 4 more cells fail"
