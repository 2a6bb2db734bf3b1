"""A student on a laptop: `make bundle`, unpacked; all public checks, widgets, an answer, a hand-in with its receipt.

The installation of 6 GB is not made again: the kernel is this environment, which has to have each of the versions that
the bundle asks for, and only the bundle's own two wheels are installed, beside it. JOURNEY_PICTURES=FOLDER keeps the
pictures of docs/student_guide.md.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from demo.students import answers, fill_in
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect
from tests.e2e.lab_window import (
    NEEDS_CHROMIUM,
    NOTEBOOK,
    ROOT,
    end_kernels,
    go_to,
    lab,
    opened,
    run,
    said,
    with_kernel,
)

pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]
ASSIGNMENT = "assignment2"
SOURCE = ROOT / "source" / ASSIGNMENT
NAMES = sorted(path.stem for path in SOURCE.glob("*.ipynb"))
FILLED, FIRST_ANSWER, FIRST_CHECK = "3a_graph_convolution", "q3_1a_adjacency", "q3_1a_first"
WRONG = "def adjacency_first():\n    return [[0, 1], [1, 0]]"
# No answer has to be there for 1a's widget; the other one looks at two answers.
WIDGETS = {"1a_padding": "8dd0d8092fe74a7c96281538738b07e2", FILLED: "1944c39560714e6e80c856f20744a8e5"}
_ALONE = ("JUPYTER", "NBGRADER", "IPYTHON", "XDG_", "DL1_")


def environment(folder: Path, packages: Path) -> dict[str, str]:
    """Of a command that reads nobody's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_ALONE)}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    return kept | {"JUPYTER_CONFIG_DIR": str(folder / "settings"), "PYTHONPATH": str(packages)}


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The unpacked bundle, `here`, and where its wheels are: `packages` and `settings`."""
    folder = tmp_path_factory.mktemp("laptop")
    course = folder / "course"
    for name in ("deploy", "dl1", "misconceptions", "proctor", "source"):
        shutil.copytree(ROOT / name, course / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("Makefile", "constraints.txt", "nbgrader_config.py", "pyproject.toml"):
        shutil.copy2(ROOT / name, course / name)
    (course / ".venv").symlink_to(sys.prefix)
    # The environment is there; that these files are newer than it, makes no difference.
    commands = [
        [sys.executable, "-m", "nbgrader", "generate_assignment", ASSIGNMENT],
        ["make", "--no-print-directory", "-o", ".venv/.installed", "bundle"],
    ]
    for command in commands:
        done = subprocess.run(command, cwd=course, env=environment(folder, course), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (course / "dist/assignment2-bundle.zip").samefile(done.stdout.strip())
    with zipfile.ZipFile(course / "dist/assignment2-bundle.zip") as archive:
        archive.extractall(folder)
    here, kit = folder / "assignment2-bundle", folder / "kit"
    wheels = [str(path) for path in here.glob("*.whl")]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-index", "--ignore-installed", "--prefix", str(kit), *wheels], check=True)
    (packages,) = kit.glob("lib/*/site-packages")
    # Nobody's real exchange.
    (folder / "CONFIG").mkdir()
    (folder / "CONFIG/nbgrader_config.py").write_text(f"c = get_config()\nc.Exchange.root = {str(folder / 'none')!r}\n")
    return SimpleNamespace(folder=folder, here=here, packages=packages, settings=kit / "etc/jupyter")


@pytest.fixture(scope="module")
def address(student):
    with lab(student.folder, student.here / ASSIGNMENT, [student.settings], student.packages) as made:
        yield made


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return Path(os.environ.get("JOURNEY_PICTURES") or tmp_path_factory.mktemp("pictures"))


def cells(student, name: str) -> list[dict]:
    return notebook_cells.read(student.here / ASSIGNMENT / f"{name}.ipynb")["cells"]


def picture(part, path: Path) -> None:
    """A part of the window, in few colours: small enough for a guide."""
    taken = part.screenshot()
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(64).save(path, optimize=True)


def needed(student, name: str) -> list[str]:
    """Cells that answers and checks need, and these: no figures and demos, which take most of the time."""
    return [cell["id"] for cell in cells(student, name) if cell["cell_type"] == "code" and has_effect(cell)]


def checks(student, name: str) -> list[str]:
    return [cell["id"] for cell in cells(student, name) if notebook_cells.role(cell) == "test"]


def test_this_environment_is_the_one_that_the_bundle_installs(student):
    lines = (student.here / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line.startswith("./")] == [
        "./dl1-0.1.0-py3-none-any.whl[notebooks]",
        "./dl1_student_lab-0.1.0-py3-none-any.whl",
    ]
    pins = dict(line.split("==") for line in lines if not line.startswith("./"))
    assert {name: metadata.version(name).partition("+")[0] for name in pins} == pins


@pytest.mark.parametrize("name", NAMES)
def test_checks_of_an_untouched_notebook_say_which_answer_is_missing(student, page, address, name):
    opened(page, address, f"{name}.ipynb")
    with_kernel(page, f"{name}.ipynb")
    outputs = run(page, *needed(student, name))
    stubs = {cell["id"] for cell in cells(student, name) if notebook_cells.role(cell) == "solution"}
    assert len(checks(student, name)) > 1
    for check in checks(student, name):
        told = re.sub(r"\x1b\[[0-9;]*m", "", said(outputs[check]))
        assert re.search(r"NotImplementedError: (finish `.+` above|train the model) first", told), (check, told)
        # The student's own lines, and none of the kit's.
        assert str(student.packages) not in told, check
    assert not any(said(outputs[one]) for one in stubs)
    if name in WIDGETS and name != FILLED:
        moves_by_mouse_and_by_keyboard(page, WIDGETS[name])
    end_kernels(page, address)


def moves_by_mouse_and_by_keyboard(page, name: str) -> None:
    """A slider is clicked at its end, and moved on by a key; what the picture says changes each time."""
    run(page, name)
    cell = go_to(page, name)
    picture, handle = cell.locator("img.dl1-drawing"), cell.locator("[role=slider]").first
    picture.wait_for()
    seen = [picture.get_attribute("alt")]
    track = cell.locator(".noUi-base").first.bounding_box()
    for act in (
        lambda: page.mouse.click(track["x"] + 0.7 * track["width"], track["y"] + track["height"] / 2),
        lambda: (handle.focus(), page.keyboard.press("ArrowLeft")),
        lambda: cell.get_by_role("button", name="Next").click(),
    ):
        act()
        page.wait_for_function("old => document.querySelector('img.dl1-drawing').alt !== old", arg=seen[-1])
        seen.append(picture.get_attribute("alt"))
    # Left and then right again: the last step is back where the first one was.
    assert len(set(seen)) == 3
    assert seen[3] == seen[1]


def test_an_answer_is_typed_and_its_check_passes(student, page, address, pictures):
    wanted = answers(SOURCE / f"{FILLED}.ipynb", [])
    typed = wanted.pop(FIRST_ANSWER)
    fill_in(student.here / ASSIGNMENT / f"{FILLED}.ipynb", wanted)
    opened(page, address, f"{FILLED}.ipynb")
    with_kernel(page, f"{FILLED}.ipynb")
    run(page, needed(student, FILLED)[0])
    editor = go_to(page, FIRST_ANSWER).locator(".cm-content")
    for text in (WRONG, typed):
        editor.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
        page.keyboard.press("Control+Enter")
        told = said(run(page, FIRST_CHECK)[FIRST_CHECK])
        passes = text is typed
        assert ("the form is right" in told) == passes, told
        assert ("Check failed" in told) != passes, told
        go_to(page, FIRST_CHECK, "center")
        picture(page.locator(NOTEBOOK), pictures / f"check_{'passes' if passes else 'fails'}.png")


def test_every_check_of_a_finished_notebook_passes(student, page, pictures):
    outputs = run(page, *needed(student, FILLED))
    for check in checks(student, FILLED):
        assert "error" not in {one["output_type"] for one in outputs[check]}, (check, said(outputs[check]))
        assert "public check passes" in said(outputs[check]) or "the form is right" in said(outputs[check]), check
    moves_by_mouse_and_by_keyboard(page, WIDGETS[FILLED])
    picture(page.locator(NOTEBOOK), pictures / "widget.png")


def test_the_last_cell_hands_in_and_prints_a_receipt(student, page, pictures):
    page.keyboard.press("Control+s")
    cell = go_to(page, "hand_in")
    told = said(run(page, "hand_in")["hand_in"])
    assert "6 notebooks of the assignment" in told
    # All is answered, and its training is a demo, which was not run here.
    assert re.findall(rf"- {FILLED}.ipynb: (.*): run its", told) == [f"runs/{FILLED} has nothing"]
    assert told.count(f"{FILLED}.ipynb: ") == 1
    assert "does not stand in the files" not in told
    assert re.search(r"2a_gpt_components.ipynb: (\d+) of \1 answers are as they were given out", told)
    assert not list(student.here.glob("*.zip"))

    cell.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.insert_text("submit=True")
    page.keyboard.press("Control+Enter")
    page.locator(f"{NOTEBOOK} .jp-OutputArea-output", has_text="Kept as ").wait_for()
    # The guide's reader has another folder than this test.
    page.locator(f"{NOTEBOOK} .jp-OutputArea-output pre").last.evaluate(
        "(text, here) => { text.innerText = text.innerText.replaceAll(here, '/home/ada'); }", str(student.folder)
    )
    page.set_viewport_size({"width": 1280, "height": 1200})
    picture(go_to(page, "hand_in"), pictures / "receipt.png")
    (archive,) = student.here.glob(f"{ASSIGNMENT}-*.zip")
    receipt = next(student.here.glob("*.receipt.txt")).read_text(encoding="utf-8")
    assert receipt.startswith(f"Receipt: {ASSIGNMENT}, packed into {archive}")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() in receipt
    with zipfile.ZipFile(archive) as opened_archive:
        handed_in = {name: opened_archive.read(name) for name in opened_archive.namelist() if name.endswith(".ipynb")}
    assert sorted(handed_in) == [f"{ASSIGNMENT}/{name}.ipynb" for name in NAMES]
    for name, content in handed_in.items():
        assert re.search(rf"{Path(name).name} +{hashlib.sha256(content).hexdigest()}", receipt)
    # What was typed in the window is in what was handed in.
    typed = answers(SOURCE / f"{FILLED}.ipynb", [])[FIRST_ANSWER]
    assert typed in [notebook_cells.source(cell) for cell in cells(student, FILLED)]
    assert handed_in[f"{ASSIGNMENT}/{FILLED}.ipynb"] == (student.here / ASSIGNMENT / f"{FILLED}.ipynb").read_bytes()
