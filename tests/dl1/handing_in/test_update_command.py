"""A new release and the folders of three students: nothing is lost, compared cell by cell, and what changed is said."""

import copy
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dl1.handing_in.folder import look_into
from dl1.handing_in.update_command import main
from dl1.merging.given_out import NAME
from tests.dl1.handing_in.small_assignment import cell, finished, one, release, two, write

PICTURE = {"image.png": {"image/png": "aaaa"}}
OTHER_PICTURE = {"image.png": {"image/png": "bbbb"}}


def corrected() -> dict[str, Any]:
    """A question added (1.4), one removed (1.3), a rule changed (1.1), and 1.2 moved to the top."""
    title, setup, rules, f, check, rules_why, why, _, _ = one()["cells"]
    rules["source"] += " No recursion, either."
    check["source"] += "\nassert f(2) == 4"
    new = [
        cell("rules_k", "Question 1.4: write `k`.", "markdown"),
        cell("q1_4_k", "def k():\n    raise NotImplementedError()", solution=True),
        cell("q1_4_k_test", "assert k() == 1", grade=True, locked=True, points=1),
    ]
    made = one()
    made["cells"] = [title, setup, rules_why, why, rules, f, check, *new]
    return made


def diligent(folder: Path) -> None:
    """All is answered, with cells, pictures and outputs of the student's own."""
    finished(folder)
    path = folder / "1_one.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    cells = content["cells"]
    cells[3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "mine"}]
    cells[6]["source"] += "\n\n![seen](attachment:image.png)"
    cells[6]["attachments"] = PICTURE
    cells.insert(4, cell("mine", "double_again = f(f(1))"))
    cells.insert(1, {**cell("note", "My own note ![](attachment:image.png)", "markdown"), "attachments": OTHER_PICTURE})
    cells.append(cell("last", "print('the end')"))
    write(path, content)


def untidy(folder: Path) -> None:
    """Cells are split, moved and copied, given ones were changed, one notebook has another name."""
    finished(folder)
    path = folder / "1_one.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    title, setup, rules, f, check, rules_why, why, g, g_check = content["cells"]
    setup["source"] += "\nimport random"
    rules["source"] += "\n\nNote to myself: ask about loops."
    check["source"] = check["source"].replace("== 2", "== 2  # that is clear") + "\nprint(f(3))"
    again = copy.deepcopy(f) | {"id": "again", "source": "def f(x):\n    return x + x"}
    more = copy.deepcopy(why) | {"id": "more", "source": "And more ![](attachment:image.png)", "attachments": PICTURE}
    why["attachments"] = OTHER_PICTURE
    why["source"] += "\n\n![](attachment:image.png)"
    content["cells"] = [title, setup, g, cell("mine", "helper = 1"), rules, f, again, check, rules_why, why, more]
    content["cells"] += [g_check]
    write(path, content)
    path.rename(folder / "1_one (final).ipynb")


def without_names(folder: Path) -> None:
    """An editor has dropped the names of all cells."""
    diligent(folder)
    path = folder / "1_one.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    for number, one_cell in enumerate(content["cells"]):
        one_cell["id"], one_cell["metadata"] = f"c{number}", {}
    write(path, content)


STUDENTS = {"diligent": diligent, "untidy": untidy, "without names": without_names}


def own_texts(path: Path) -> list[str]:
    """Texts of a notebook that were not given out."""
    given = {cell["source"].strip() for cell in one()["cells"]}
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell["source"].strip() for cell in cells if cell["source"].strip() not in given]


@pytest.fixture
def new(tmp_path) -> Path:
    folder = release(tmp_path / "new" / "ps1", {"1_one": corrected(), "2_two": two()})
    (folder / "figures").mkdir()
    (folder / "figures" / "one.svg").write_text("<svg/>")
    return folder


@pytest.mark.parametrize("student", STUDENTS)
def test_nothing_of_a_student_is_lost(student, new, tmp_path, capsys):
    folder = tmp_path / "ps1"
    STUDENTS[student](folder)
    (path,) = folder.glob("1_one*.ipynb")
    own = own_texts(path)
    before = {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert main([str(new), str(folder)]) == 0
    assert "1.3: is asked for no more (q1_3_g); what you wrote is kept in a cell of your own" in capsys.readouterr().out
    made = json.loads((folder / "1_one.ipynb").read_text(encoding="utf-8"))
    there = [cell["source"] for cell in made["cells"]]
    assert len(own) >= 5
    for text in own:
        found = [source for source in there if text in source]
        # A picture of the same name in another cell has got another one.
        assert found or any(text.replace(":image.png", f":{n}-image.png") in "".join(there) for n in range(20)), text
    for one_cell in made["cells"]:
        for name in one_cell.get("attachments", {}):
            assert f"attachment:{name}" in one_cell["source"]
    pictures = [data["image/png"] for cell in made["cells"] for data in cell.get("attachments", {}).values()]
    assert sorted(set(pictures)) == ["aaaa", "bbbb"]
    (kept,) = tmp_path.glob("ps1-before-*")
    assert {file.relative_to(kept): file.read_bytes() for file in kept.rglob("*") if file.is_file()} == before
    # The new folder is one that can be handed in, with all that was answered before, by name and place.
    answers = look_into(folder).notebooks["1_one"].answers.found
    assert [cell.source.count("return") for cell in answers["q1_1_f"].cells if cell.source][:1] == [1]
    order = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in made["cells"]]
    wanted = ["q1_2_why", "q1_1_f", "q1_1_f_test", "q1_4_k", "q1_4_k_test"]
    assert [name for name in order if name] == wanted
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    assert sorted(path.name for path in folder.glob("*.ipynb")) == ["1_one.ipynb", "2_two.ipynb"]
    assert (folder / "figures" / "one.svg").is_file()
    assert "No recursion" in (folder / NAME).read_text(encoding="utf-8")


def test_answers_and_own_cells_have_their_place_and_outputs(new, tmp_path):
    folder = tmp_path / "ps1"
    diligent(folder)
    main([str(new), str(folder)])
    cells = json.loads((folder / "1_one.ipynb").read_text(encoding="utf-8"))["cells"]
    ids = [cell["id"] for cell in cells]
    by_id = {cell["id"]: cell for cell in cells}
    texts = [cell["source"] for cell in cells]
    assert texts[ids.index("q1_1_f") + 1] == "double_again = f(f(1))"
    assert texts[-1] == "print('the end')"
    assert by_id["q1_1_f"]["outputs"][0]["text"] == "mine"
    assert by_id["q1_1_f"]["metadata"]["nbgrader"]["grade_id"] == "q1_1_f"
    assert by_id["q1_2_why"]["attachments"] == PICTURE
    assert by_id["rules_f"]["source"].endswith("No recursion, either.")
    assert by_id["q1_4_k"]["source"].endswith("raise NotImplementedError()")
    # What was asked for no more is a cell like any other.
    (gone,) = [cell for cell in cells if cell["source"] == "def g(x):\n    return x**2"]
    assert "nbgrader" not in gone["metadata"]
    assert not [text for text in texts if "g(3)" in text]


def test_what_changed_is_said(new, tmp_path, capsys):
    folder = tmp_path / "ps1"
    diligent(folder)
    assert main([str(new), str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "1_one.ipynb: 1.1: the text was changed: “The rules: no loops. No recursion, either.”; your answer was kept",
        "1_one.ipynb: 1.1: its public check says more: “assert f(2) == 4”; your answer was kept",
        "1_one.ipynb: 1.4: is new (q1_4_k)",
        "1_one.ipynb: 1.3: is asked for no more (q1_3_g); what you wrote is kept in a cell of your own",
        "1_one.ipynb: cells of 1.2 stand in another place; your answers went with them",
        "1_one.ipynb: 2 of 3 answers are yours",
        "2_two.ipynb: nothing was changed",
        "2_two.ipynb: 1 of 1 answers are yours",
    ]


def test_an_untouched_folder_becomes_the_new_release(new, tmp_path):
    folder = release(tmp_path / "ps1")
    assert main([str(new), str(folder)]) == 0
    assert json.loads((folder / "1_one.ipynb").read_text(encoding="utf-8")) == corrected()
    # And the same release once more changes nothing.
    diligent(folder)
    shutil.rmtree(next(tmp_path.glob("ps1-before-*")))
    path = folder / "1_one.ipynb"
    content = path.read_text(encoding="utf-8")
    assert main([str(release(tmp_path / "same" / "ps1")), str(folder)]) == 0
    after = json.loads(path.read_text(encoding="utf-8"))["cells"]
    before = json.loads(content)["cells"]
    assert [cell["source"] for cell in after] == [cell["source"] for cell in before]


def test_a_given_cell_that_both_have_changed_is_there_twice_the_courses_first(tmp_path):
    folder = finished(tmp_path / "ps1")
    path = folder / "1_one.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"][1]["source"] = "import math\nimport random"
    write(path, content)
    changed = one()
    changed["cells"][1]["source"] = "import math\nimport cmath"
    assert main([str(release(tmp_path / "new", {"1_one": changed, "2_two": two()})), str(folder)]) == 0
    texts = [cell["source"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert texts[1:3] == ["import math\nimport cmath", "import math\nimport random"]


def test_without_what_was_given_out_nothing_is_lost_either(new, tmp_path, capsys):
    folder = tmp_path / "ps1"
    diligent(folder)
    (folder / NAME).unlink()
    own = own_texts(folder / "1_one.ipynb")
    assert main([str(new), str(folder)]) == 0
    there = [cell["source"] for cell in json.loads((folder / "1_one.ipynb").read_text(encoding="utf-8"))["cells"]]
    assert [text for text in own if not any(text in source for source in there)] == []
    told = capsys.readouterr().out
    assert "what you were given isn't known" in told
    assert "1_one.ipynb: q1_4_k is new" in told


def test_a_zip_will_do_and_what_can_not_be_read_stays(new, tmp_path, capsys):
    folder = finished(tmp_path / "ps1")
    (folder / "2_two.ipynb").write_text('{"cells": [')
    archive = shutil.make_archive(str(tmp_path / "release"), "zip", new.parent)
    assert zipfile.is_zipfile(archive)
    assert main([archive, str(folder)]) == 0
    assert "2_two.ipynb: can't be read, and stays as it is" in capsys.readouterr().out
    assert (folder / "2_two.ipynb").read_text() == '{"cells": ['
    assert "No recursion" in (folder / "1_one.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("named", "said"),
    [("nothing", "no such folder or zip file"), ("empty", "has no notebooks"), ("ps1", "is your own folder")],
)
def test_a_wrong_release_is_said_and_changes_nothing(named, said, tmp_path, capsys):
    folder = finished(tmp_path / "ps1")
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / named), str(folder)]) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("ps1-before-*"))
