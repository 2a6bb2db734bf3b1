import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dl1.errors import CourseError
from dl1.notebook.places import output_folder, write_whole

ROOT = Path(__file__).resolve().parents[3]
# With blanks and umlauts, on a machine whose locale knows no letter beyond ASCII.
FOLDER = "OneDrive - Universität, Ümit/assignment 2 (1)"
# Neither Python's own way out of such a locale nor a UTF-8 mode: as on an old Windows, or in cron. What is printed is
# sent as Jupyter sends it.
ASCII = {
    **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "PYTHONIOENCODING": "utf-8:surrogateescape",
}
SCRIPT = '''
import locale, sys
from pathlib import Path
assert locale.getpreferredencoding(False) == "ANSI_X3.4-1968", locale.getpreferredencoding(False)
import matplotlib
matplotlib.use("Agg")
from dl1 import export_module
from dl1.data.corpus import load_corpus, read_corpus
from dl1.notebook import runs

def größe(text: str) -> str:
    """Länge ≤ 3, as Jürgen says: 陈伟."""
    return f"{text} → {len(text)}"

path = export_module("gpt.py", ["größe"], globals())
import importlib.util
spec = importlib.util.spec_from_file_location("gpt", path)
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
assert made.größe("äh") == "äh → 2"
result = runs.run_folder("2b") / "a.json"
runs.save_result(result, {"name": "Müller, 陈伟", "loss": 1.5})
assert runs.load_result(result)["name"] == "Müller, 陈伟"
Path("tale.txt").write_text("Es war einmal ein süßer Brei. " * 200, encoding="utf-8")
assert "süßer" in read_corpus("tale.txt").text
assert load_corpus().text
print("all of it in", Path.cwd().name)
'''


def test_a_students_files_lie_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output_folder() == tmp_path.resolve()


def test_an_authors_files_go_to_a_scratch_folder(tmp_path, monkeypatch):
    source = tmp_path / "source" / "assignment2"
    source.mkdir(parents=True)
    (tmp_path / "nbgrader_config.py").touch()
    monkeypatch.chdir(source)
    assert output_folder() == tmp_path / "scratch" / "assignment2"
    assert output_folder().is_dir()
    assert list(source.iterdir()) == []


def test_a_missing_folder_is_made(tmp_path):
    assert output_folder(tmp_path / "new" / "one").is_dir()


def test_a_link_to_the_source_is_seen_through(tmp_path):
    source = tmp_path / "course" / "source" / "assignment2"
    source.mkdir(parents=True)
    (tmp_path / "course" / "nbgrader_config.py").touch()
    (tmp_path / "work").symlink_to(source)
    assert output_folder(tmp_path / "work") == tmp_path / "course" / "scratch" / "assignment2"


def test_a_folder_that_is_only_called_source_is_a_students(tmp_path):
    folder = tmp_path / "source" / "assignment2"
    folder.mkdir(parents=True)
    assert output_folder(folder) == folder


def test_a_released_copy_in_the_course_is_a_students(tmp_path):
    folder = tmp_path / "release" / "assignment2"
    folder.mkdir(parents=True)
    (tmp_path / "nbgrader_config.py").touch()
    assert output_folder(folder) == folder


def test_a_deleted_folder_is_explained(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.rmtree(folder)
    with pytest.raises(CourseError, match="moved or deleted"):
        output_folder()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "result"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"

    def fails(*arguments):
        raise OSError("interrupted")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="interrupted"):
        write_whole(path, b"newest")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["result"]


def test_modules_results_and_texts_in_such_a_place(tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "notebook.py").write_text(SCRIPT, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "notebook.py"],
        cwd=folder,
        env=os.environ | ASCII | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "all of it in assignment 2 (1)" in run.stdout


def test_every_text_that_the_kit_opens_has_an_encoding():
    nameless = []
    for file in [one for one in (ROOT / "dl1").rglob("*.py") if "build" not in one.parts]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and opens_text(node) and not any(k.arg == "encoding" for k in node.keywords):
                nameless.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert nameless == []


def opens_text(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
    if name in ("read_text", "write_text", "TextIOWrapper"):
        return True
    modes = ast.unparse(call).removeprefix(ast.unparse(call.func))
    of_others = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("tarfile", "os", "zipfile")
    return name in ("open", "fdopen") and not of_others and not re.search(r"'[rwxa]b\+?'|'r\+b'", modes)
