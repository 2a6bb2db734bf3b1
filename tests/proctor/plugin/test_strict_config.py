"""With a mistake in the course's settings no command runs: nbgrader alone would run students' code in no sandbox."""

import os
import shutil
import subprocess
import sys

import pytest
from course_folder import ROOT


def run(tmp_path, settings: str, *words: str) -> subprocess.CompletedProcess:
    course, environment = tmp_path / "course", tmp_path / "etc"
    for folder in (course, environment):
        folder.mkdir()
    shutil.copy(ROOT / "deploy" / "jupyter_config.py", environment)
    (course / "nbgrader_config.py").write_text(settings)
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=course,
        env=os.environ | {"JUPYTER_CONFIG_PATH": str(environment), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("c = get_config()\nDEADLINES = {\n", "SyntaxError: '{' was never closed (nbgrader_config.py, line 2)"),
        (
            "c = get_config()\n\nc.Exchange.root = str(EXCHANGES)\n",
            "line 3: NameError: name 'EXCHANGES' is not defined",
        ),
        ("from proctor.plug_in import plugin\n", "line 1: ImportError: cannot import name 'plugin'"),
    ],
)
@pytest.mark.parametrize("command", ["autograde", "generate_assignment"])
def test_a_mistake_in_the_settings_ends_every_command(tmp_path, settings, said, command):
    ended = run(tmp_path, settings, command, "hw")
    assert ended.returncode == 1, ended.stdout
    assert f"nothing was done: {tmp_path / 'course' / 'nbgrader_config.py'}" in ended.stdout
    assert said in ended.stdout
    assert "Traceback" not in ended.stdout


def test_right_settings_are_read(tmp_path):
    settings = "c = get_config()\nc.CourseDirectory.source_directory = 'elsewhere'\n"
    ended = run(tmp_path, settings, "generate_assignment", "hw")
    assert "nothing was done" not in ended.stdout
    assert "course/elsewhere/./hw" in ended.stdout


def test_the_environment_has_it():
    rule = (ROOT / "Makefile").read_text()
    assert "cp deploy/jupyter_config.py .venv/etc/jupyter/" in rule
