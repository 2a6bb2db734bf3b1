"""An accident that nobody has foreseen ends in a line, too; what a developer needs is in a file."""

import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from course_folder import ROOT

from proctor.plugin import last_words

RUN = """
import sys
sys.path.insert(0, {root!r})
from nbgrader.apps.nbgraderapp import NbGraderApp
from proctor.plugin import last_words
last_words.install()
import nbgrader.apps.exportapp
def start(self):
    raise KeyError("what nobody expects\\x1b[31m")
nbgrader.apps.exportapp.ExportApp.start = start
NbGraderApp.launch_instance(["export"])
"""


def test_an_error_that_nobody_has_foreseen_is_a_line_and_a_private_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "course").mkdir()
    run = subprocess.run(
        [sys.executable, "-c", RUN.format(root=str(ROOT))],
        cwd=tmp_path / "course",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert "Traceback" not in run.stdout
    assert "\x1b[31m" not in run.stdout
    (line,) = [line for line in run.stdout.splitlines() if "KeyError: 'what nobody expects" in line]
    path = Path(re.search(r"details are in (\S+)\)", line).group(1))
    assert path.parent == tmp_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Traceback (most recent call last)" in path.read_text()


def test_without_room_for_the_details_it_is_still_a_line(monkeypatch):
    def full(**options: str):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    said = last_words.unforeseen(ValueError("x" * 10_000))
    assert said.startswith("ValueError: xxx")
    assert said.endswith("details could not be written: No space left on device)")
    assert len(said) < 500


def test_what_nbgraders_own_code_warns_of_at_each_submission_is_no_line_of_the_log():
    script = (
        "import warnings\nfrom sqlalchemy.exc import SAWarning\nfrom proctor.plugin import last_words\n"
        "last_words.install()\n"
        "for module in ('nbgrader.api', 'somebody.elses'):\n"
        "    warnings.warn_explicit(f'of {module}', SAWarning, 'file', 1, module)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "of somebody.elses" in run.stderr
    assert "of nbgrader.api" not in run.stderr
