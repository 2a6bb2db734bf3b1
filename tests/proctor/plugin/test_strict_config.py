"""With a mistake in the course's settings no command runs: nbgrader alone would run students' code in no sandbox."""

import os
import shutil
import subprocess
import sys
from importlib import import_module

import pytest
from course_folder import ROOT
from traitlets.config import Config, Configurable

from proctor.plugin import strict_config

# They only know of a setting that nbgrader gives to every step.
STEPS = {"SafeFeedback", "_Rule"}


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
        (
            "c = get_config()\nc.Proctor.limitz = {}\n",
            "c.Proctor.limitz: there is no such setting; is c.Proctor.limits",
        ),
        ("c = get_config()\nc.Procter.limits = {}\n", "c.Procter: there is no such section; is c.Proctor meant?"),
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


@pytest.mark.parametrize(
    ("section", "name", "nearest"),
    [
        ("Autograde", "regrade_stail", "is c.Autograde.regrade_stale meant?"),
        ("GradesTable", "allow_incompleet", "is c.GradesTable.allow_incomplete meant?"),
        ("SealInbound", "kept", "is c.SealInbound.keep meant?"),
        ("ZipCollect", "time_zone", "is c.ZipCollect.timezone meant?"),
        ("ZipColect", "timezone", "is c.ZipCollect meant?"),
        ("Proctor", "xyz", "There are data, data_variable, deadlines, extensions"),
        # Of nbgrader and others, also one that is called much like ours.
        ("ZipCollectApp", "force", None),
        ("AutogradeApp", "anything", None),
        ("Exchange", "rooot", None),
        ("Autograde", "force", None),
        ("Proctor", "workers", None),
    ],
)
def test_a_misspelt_name_in_a_section_of_ours_is_named_with_the_nearest(section, name, nearest):
    said = strict_config._misspelt(Config({section: {name: 1}}))
    assert (said is None) == (nearest is None), said
    assert nearest is None or nearest in said


def test_every_section_of_ours_with_settings_is_among_them():
    for module in (ROOT / "proctor" / "plugin").glob("*.py"):
        import_module(f"proctor.plugin.{module.stem}")
    found = {
        one.__name__
        for one in subclasses(Configurable)
        if one.__module__.startswith("proctor.") and any(name in vars(one) for name in one.class_traits(config=True))
    }
    # What belongs to a command alone is said on its command line.
    assert {name for name in found - STEPS if not name.endswith("App")} == set(strict_config._OURS)


def test_no_section_that_exists_is_taken_for_a_misspelt_one():
    for module in (ROOT / "proctor" / "plugin").glob("*.py"):
        import_module(f"proctor.plugin.{module.stem}")
    for package in ("apps", "converters", "exchange", "plugins", "preprocessors"):
        import_module(f"nbgrader.{package}")
    others = {one.__name__ for one in subclasses(Configurable)} - set(strict_config._OURS)
    assert len(others) > 100
    assert [name for name in sorted(others) if strict_config._misspelt(Config({name: {"a": 1}}))] == []


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(subclasses, kind.__subclasses__()))
