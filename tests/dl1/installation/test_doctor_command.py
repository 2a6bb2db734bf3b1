"""The command starts in any environment, looks at everything, and ends with what has to be mended."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dl1.installation import doctor_command
from dl1.installation.seen import KNOW, MEND, OK, Seen

ROOT = Path(doctor_command.__file__).resolve().parents[2]
# Of these parts consists all that is imported before anything was looked at.
FILES = [ROOT / "dl1/doctor.py", ROOT / "dl1/__init__.py", ROOT / "dl1/lazy_names.py"]
FILES += sorted((ROOT / "dl1/installation").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_can_be_read_by_pythons_that_are_too_old(file):
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert all(name.split(".")[0] in {*sys.stdlib_module_names, "dl1"} for name in names)


def test_it_starts_where_nothing_is_installed_and_a_file_hides_a_module(tmp_path):
    """Without site-packages there is nothing but Python; that the rest is missing is what it says."""
    (tmp_path / "random.py").write_text("raise OSError('not the real one')\n")
    command = [sys.executable, "-S", "-m", "dl1.doctor"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 1, done.stderr
    assert "  MEND  dl1 isn't installed in this environment" in done.stdout
    assert f"  MEND  {tmp_path / 'random.py'} is imported in place of the package random" in done.stdout
    assert re.search(r"^\d+ to mend, \d+ to know of$", done.stdout, re.MULTILINE)


def test_what_can_not_be_looked_at_ends_nothing(tmp_path, monkeypatch, capsys):
    def broken():
        yield Seen(OK, "so far")
        raise OSError("no such thing")

    last = [Seen(MEND, "the last", "do it"), Seen(KNOW, "but this")]
    monkeypatch.setattr(doctor_command, "checks", lambda folder: [("one", broken), ("two", lambda: last)])
    assert doctor_command.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "  ok    so far",
        "  !     one could not be looked at (OSError: no such thing)",
        "  MEND  the last",
        "          -> do it",
        "  !     but this",
        "1 to mend, 2 to know of",
    ]


def test_nothing_to_mend_is_status_0_and_a_wrong_folder_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(doctor_command, "checks", lambda folder: [])
    assert doctor_command.main([str(tmp_path)]) == 0
    assert doctor_command.main([str(tmp_path / "nowhere")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert doctor_command.main(["--help"]) == 0
