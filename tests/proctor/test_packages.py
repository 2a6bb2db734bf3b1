"""Packages are found where they lie, and none of them is imported on the way."""

import subprocess
import sys
from pathlib import Path

import pytest

from proctor.errors import ProctorError
from proctor.packages import folder_of

ROOT = Path(__file__).resolve().parents[2]
SLOW = ("torch", "torchvision", "torch_geometric", "matplotlib", "dask", "distributed")


def test_a_package_that_is_not_installed_is_said():
    assert folder_of("proctor") == ROOT / "proctor"
    with pytest.raises(ProctorError, match="no_such_package is not installed here; install it"):
        folder_of("no_such_package")


def test_no_command_waits_for_libraries_that_only_answers_and_tests_need():
    plugins = sorted(f"proctor.plugin.{file.stem}" for file in (ROOT / "proctor" / "plugin").glob("[!_]*.py"))
    lines = [
        "import importlib, sys",
        f"for name in {plugins + ['proctor.jobs.doing', 'proctor.jobs.grader']}:",
        "    importlib.import_module(name)",
        f"sys.exit(' '.join(sorted(set({SLOW}) & set(sys.modules))) or 0)",
    ]
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
