"""Hostile files beside the notebook: traps for whoever opens the folder, and what stands in the way of grading."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from exercise import Case, Handed

SCRIPTS = [
    *(
        "torch.py",
        "json.py",
        "numpy/__init__.py",
        "__main__.py",
        "__init__.py",
        "conftest.py",
        "test_all.py",
        "setup.py",
    ),
    *("sitecustomize.py", "usercustomize.py", "nbgrader_config.py", "jupyter_config.py", "jupyter_server_config.py"),
    *("site-packages/x.py", ".ipython/profile_default/startup/a.py", ".jupyter/jupyter_config.py"),
]
# What each of these does when a tool finds it is to write a line into the file CANARY.
TRAPS = {
    ".git/config": '[core]\n\trepositoryformatversion = 0\n\tfsmonitor = "echo git >> CANARY #"\n',
    ".git/HEAD": "ref: refs/heads/main\n",
    ".git/objects/x": "",
    ".git/refs/x": "",
    # The same without .git: git takes such a folder for a repository of its own.
    "HEAD": "ref: refs/heads/main\n",
    "config": '[core]\n\trepositoryformatversion = 0\n\tworktree = .\n\tfsmonitor = "echo bare >> CANARY #"\n',
    "objects/x": "",
    "refs/x": "",
    **dict.fromkeys(SCRIPTS, "open('CANARY', 'a').write(__file__)"),
    "Makefile": "all:\n\techo make >> CANARY\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p torch'\n",
    "pytest.ini": "[pytest]\naddopts = -p json\npython_files = *.py\n",
    "evil.pth": "import os; os.system('echo pth >> CANARY')",
    ".envrc": "echo envrc >> CANARY\n",
}
USES = [
    ["git", "status"],
    [sys.executable, "-c", "import torch, numpy, json"],
    [sys.executable, "-m", "pytest", "--collect-only", "-q"],
    [sys.executable, "."],
    [sys.executable, "-m", "jupyter", "server", "list"],
    [sys.executable, "-m", "nbgrader", "db", "student", "list"],
    ["make"],
]
HELPED = "import json\nimport my_own\ndef double(x):\n    return my_own.TWO * json.load(open('runs/one.json')) * x"


def lay_traps(folder: Path, canary: Path) -> None:
    for path, text in TRAPS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.replace("CANARY", str(canary)))


def spring_traps(folder: Path) -> None:
    """What somebody might do who has gone into the folder, and into those in it."""
    commands = [(command, folder) for command in USES]
    commands += [(["git", "status"], inner) for inner in folder.rglob("*") if inner.is_dir()]
    for command, place in commands:
        # Whether it works is of no interest, nor whether the tool is there.
        try:
            subprocess.run(command, cwd=place, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError:
            continue


def canary_of(folder: Path) -> Path:
    """Where the traps of a course's submissions report: beside the course."""
    return folder.parents[3] / "sprung"


def _trojan(handed: Handed) -> None:
    lay_traps(handed.folder, canary_of(handed.folder))
    # Code of the submission may find its own files, and these are meant for somebody else.
    handed.before("q1_double", "import sys\nsys.path[:] = [p for p in sys.path if p not in ('', '.')]")
    handed.write()


def _in_the_way(handed: Handed) -> None:
    (handed.folder / "figures").write_text("in place of the assignment's folder")
    (handed.folder / "exercise_files").write_text("in place of nbconvert's folder")
    (handed.folder / "runs").write_text("in place of the folder of results")
    (handed.folder / "submission_secret.txt").write_text("")
    (handed.folder / "timestamp.txt").mkdir()
    (handed.folder / "page.html").write_text("<script>alert(1)</script>")
    handed.before("q1_double", "print(open('figures/map.txt').read())")
    handed.write()


def _helped(handed: Handed) -> None:
    (handed.folder / "my_own.py").write_text("TWO = 2")
    (handed.folder / "runs").mkdir()
    (handed.folder / "runs" / "one.json").write_text("1")
    handed.answer("q1_double", HELPED)
    handed.write()


CASES = [
    Case("trojan", "files that git, Python, pytest, Jupyter or make run for whoever works in the folder", _trojan),
    Case("in-the-way", "a file in place of the assignment's folder, an empty secret, a page of its own", _in_the_way, says=("the assignment has a folder of this name", "be released to this submission", "the map of the assignment")),  # noqa: E501
    Case("helped", "answers that use a module and a result of the student's own", _helped),
]  # fmt: skip
