"""The students' archive: what is in it, what is refused, and that each of its files is what its reader takes."""

import html
import json
import os
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from deploy.bundle import archive
from deploy.bundle.__main__ import main
from deploy.bundle.archive import BundleError, content, students_pins
from tests.dl1.handing_in.small_assignment import change, one, release, two, write

ROOT = Path(archive.__file__).resolve().parents[2]


@pytest.fixture
def course(tmp_path) -> Path:
    for name, notebook in {"1_one": one(), "2_two": two()}.items():
        write(tmp_path / "source" / "ps1" / f"{name}.ipynb", notebook)
    release(tmp_path / "release" / "ps1")
    (tmp_path / "release" / "ps1" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "release" / "ps1" / ".ipynb_checkpoints" / "x.ipynb").write_text("{}")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "dl1-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (tmp_path / "dist" / "dl1_student_lab-0.1.0-py3-none-any.whl").write_bytes(b"another")
    (tmp_path / "dl1").mkdir()
    for name in ("constraints.txt", "dl1/pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_the_archive_has_all_that_a_student_needs_and_is_the_same_each_time(course):
    path = archive.write(course, "ps1", course / "out")
    before = path.read_bytes()
    assert archive.write(course, "ps1", course / "out").read_bytes() == before
    with zipfile.ZipFile(path) as opened:
        assert sorted(name.removeprefix("ps1-bundle/") for name in opened.namelist()) == [
            ".devcontainer/devcontainer.json",
            "START_HERE.html",
            "constraints.txt",
            "dl1-0.1.0-py3-none-any.whl",
            "dl1_student_lab-0.1.0-py3-none-any.whl",
            "environment.yml",
            "ps1/1_one.ipynb",
            "ps1/2_two.ipynb",
            "ps1/assignment.json",
            "requirements.txt",
        ]
        # The small assignment was made on the 30th.
        assert {entry.date_time for entry in opened.infolist()} == {(2026, 11, 29, 0, 0, 0)}
    assert [file.name for file in (course / "out").iterdir()] == [path.name]


def test_every_package_of_a_student_has_the_version_of_the_course():
    pins = students_pins(ROOT)
    project = tomllib.loads((ROOT / "dl1" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["notebooks"]]
    assert {re.match(r"[\w-]+", line).group() for line in wanted} <= set(pins)
    assert "pytest" not in pins


def test_the_requirements_begin_with_the_wheels_and_know_the_index_for_cpus(course):
    files = content(course, "ps1")
    first, lab, *others = files["requirements.txt"].decode().splitlines()
    assert (first, lab) == ("./dl1-0.1.0-py3-none-any.whl[notebooks]", "./dl1_student_lab-0.1.0-py3-none-any.whl")
    assert others == files["constraints.txt"].decode().splitlines()
    assert "requirements-cpu.txt" not in files
    files = content(course, "ps1", "https://example.org/cpu")
    lines = files["requirements-cpu.txt"].decode().splitlines()
    assert lines == ["--extra-index-url https://example.org/cpu", first, lab, *others]
    assert "requirements-cpu.txt" in files["START_HERE.html"].decode()


def test_the_start_page_has_three_commands_for_each_system_and_names_files_that_are_there(course):
    files = content(course, "ps1")
    page = files["START_HERE.html"].decode()
    commands = {name: html.unescape(text) for name, text in re.findall(r'<pre id="(\w+)">(.*?)</pre>', page, re.DOTALL)}
    assert set(commands) == {"unix", "windows", "uv", "doctor"}
    for name in ("unix", "windows", "uv"):
        lines = commands[name].splitlines()
        assert len(lines) == 3
        assert "-r requirements.txt" in lines[1]
        assert lines[2].endswith("jupyter lab ps1")
    assert "$" not in page
    container = json.loads(files[".devcontainer/devcontainer.json"])
    assert container["postCreateCommand"].endswith("-r requirements.txt")
    assert "- -r requirements.txt" in files["environment.yml"].decode()


def secret(course):
    change(course / "release" / "ps1" / "1_one.ipynb", "rules_f", "#### Marking scheme (2)\n\n- 1: it doubles")


def older(course):
    os.utime(course / "release" / "ps1" / "2_two.ipynb", (0, 0))


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (
            lambda course: (course / "release" / "ps1" / "1_one.ipynb").unlink(),
            "1_one.ipynb isn't there; run",
        ),
        (lambda course: (course / "release" / "ps1" / "assignment.json").unlink(), "assignment.json isn't there"),
        (older, "2_two.ipynb is older than its source; run: nbgrader generate_assignment ps1"),
        (secret, "has “#### Marking scheme” in it, which is not for students"),
        (lambda course: (course / "dist" / "dl1-0.2.0-py3-none-any.whl").touch(), "has to hold one wheel of dl1,"),
        (
            lambda course: (course / "dist" / "dl1_student_lab-0.1.0-py3-none-any.whl").unlink(),
            "has to hold one wheel of dl1_student_lab, and holds nothing; run: make bundle",
        ),
        (lambda course: (course / "constraints.txt").write_text("torch==2.5\n"), "constraints.txt has no version of"),
    ],
)
def test_what_is_missing_old_or_of_the_staff_is_refused(breaks, said, course, capsys):
    breaks(course)
    with pytest.raises(BundleError, match=re.escape(said)):
        content(course, "ps1")


def test_the_command_says_what_to_do(tmp_path, capsys):
    assert main(["--assignment", "no_such_one", "--to", str(tmp_path)]) == 1
    assert "run:" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
