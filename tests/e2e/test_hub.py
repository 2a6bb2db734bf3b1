"""deploy/jupyterhub, started with accounts of this machine: an assignment's way from the TA to the students and back.

At each station another student tries to read what isn't his. Two students and a TA ask addresses; two more, and two
TAs, do the same in Chromium, as people do.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import exercise
import formgrader_pages
import lab_pages
import psutil
import pytest
import requests
from course_folder import ROOT, Course
from course_hub import Hub, missing, running
from hub_browser import Browser

MISSING = missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
STUDENTS = ("ada", "bob")
# In Chromium.
LATER, STAFF = ("eve", "dan"), ("tim", "tara")
ANSWER = "Because a unit vector has length one."
SCHEME = """\
Why?

### BEGIN SOLUTION
Because.

#### Marking scheme (1)

- ½: the length
- ½: one
### END SOLUTION"""


def course(place: Path) -> Course:
    """The exercise, with a marking scheme for its essay."""
    notebook = exercise.instructor_notebook()
    next(cell for cell in notebook["cells"] if cell["id"] == "q4_why")["source"] = SCHEME
    return Course(place, {exercise.NOTEBOOK: notebook})


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running((*STUDENTS, *LATER), STAFF, course) as hub:
        yield hub


def processes(hub: Hub, name: str) -> list[psutil.Process]:
    """What runs under an account."""
    return [one for one in psutil.process_iter(["username"]) if one.info["username"] == hub.accounts.names[name]]


def heard(hub: Hub, name: str) -> set[int]:
    """Ports at which programs of an account listen, for whoever connects."""
    found = [one for process in processes(hub, name) for one in process.net_connections("inet")]
    return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}


def hand_in(hub: Hub, name: str, answers: dict[str, str]) -> Browser:
    """A student fetches the assignment, fills it in, runs it and submits."""
    student = hub.login(name)
    own = student.start_server()
    form = {"course_id": "test", "assignment_id": exercise.ASSIGNMENT}
    fetched = student.ask("POST", f"{own}/assignments/fetch", form)
    assert fetched["success"], fetched
    path = f"{own}/api/contents/{exercise.ASSIGNMENT}/{exercise.NOTEBOOK}.ipynb"
    notebook = student.ask("GET", path)
    for cell in notebook["content"]["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        cell["source"] = answers.get(grade_id, cell["source"])
    student.ask("PUT", path, json={"type": "notebook", "format": "json", "content": notebook["content"]})
    student.ask("POST", f"{own}/api/kernels", json={"path": exercise.ASSIGNMENT})
    submitted = student.ask("POST", f"{own}/assignments/submit", form)
    assert submitted["success"], submitted
    return student


@pytest.fixture(scope="module")
def people(hub) -> dict[str, Browser]:
    """The TA has released; two students at once have handed in."""
    ta = hub.login("tim")
    assert ta.get(f"{hub.service}/formgrader/").status_code == 200
    released = ta.ask("POST", f"{hub.service}/formgrader/api/assignment/{exercise.ASSIGNMENT}/release")
    assert released["success"], released
    right = exercise.SOLUTIONS | {"q4_why": ANSWER}
    with ThreadPoolExecutor(2) as pool:
        ada = pool.submit(hand_in, hub, "ada", right | {"q1_double": exercise.WRONG})
        bob = pool.submit(hand_in, hub, "bob", right)
        return {"tim": ta, "ada": ada.result(), "bob": bob.result()}


def test_students_read_nothing_of_each_other_and_of_the_course(hub, people):
    accounts = hub.accounts
    own = {"bob": {str(accounts.place / "run" / accounts.names["bob"]), str(accounts.home("bob"))}}
    found = accounts.readable(
        "bob",
        *(accounts.home(name) for name in ("ada", "course")),
        *(accounts.place / name for name in ("run", "state", "exchange")),
        *(hub.course.folder, accounts.temporary),
    )
    released = str(hub.exchange / "test/outbound")
    open_to_all = {str(accounts.temporary), str(accounts.place / "run"), str(hub.exchange), str(hub.exchange / "test")}
    assert [one for one in found if one not in open_to_all and not one.startswith((released, *own["bob"]))] == []
    # Also not with the name that nobody can guess, which only this test knows.
    inbound = hub.exchange / "test/inbound"
    assert len(list(inbound.iterdir())) == 2
    handed_in = next(inbound.glob(f"{accounts.names['ada']}+*"))
    for command in (
        ("cat", str(handed_in / f"{exercise.NOTEBOOK}.ipynb")),
        ("mv", str(handed_in), str(inbound / "mine")),
        ("rm", "-rf", str(handed_in)),
        ("mv", str(hub.exchange / "test"), str(hub.exchange / "old")),
    ):
        status, said = accounts.run("bob", *command)
        assert status != 0, command
        assert re.search("Permission denied|not permitted", said), said
    assert (handed_in / f"{exercise.NOTEBOOK}.ipynb").is_file()


def test_a_server_answers_its_own_student_only(hub, people):
    bob, ada = people["bob"], hub.accounts.names["ada"]
    tree = f"/user/{ada}/api/contents/{exercise.ASSIGNMENT}"
    assert people["ada"].get(tree).ok
    for path in (tree, f"/user/{ada}/lab", f"/user/{ada}/files/{exercise.ASSIGNMENT}/{exercise.NOTEBOOK}.ipynb"):
        assert bob.get(path).status_code == 403, path
    for path in ("/", "/formgrader/", "/api/contents", "/formgrader/api/assignments"):
        assert bob.get(f"{hub.service}{path}").status_code == 403, path
    for path in (f"/hub/api/users/{ada}", "/hub/api/users", f"/hub/api/users/{ada}/tokens"):
        assert bob.get(path).status_code in (403, 404), path
    # A kernel that listens at ports sends all that it prints to whoever connects. What is left is the server's, and
    # one at which a kernel takes in what its own children print.
    runtime = hub.accounts.place / "run" / ada
    kernels = [json.loads(one.read_text()) for one in runtime.glob("kernel-*.json")]
    assert [one["transport"] for one in kernels] == ["ipc"]
    served = json.loads(next(runtime.glob("jpserver-*.json")).read_text())["port"]
    assert len(heard(hub, "ada") - {served}) <= 1
    answer = requests.get(f"http://127.0.0.1:{served}{tree}", timeout=60)
    assert answer.status_code == 403


def test_an_account_has_its_limits_and_a_students_lab(hub, people):
    running = processes(hub, "ada")
    kernels = [one for one in running if "ipykernel_launcher" in " ".join(one.cmdline())]
    assert len(kernels) == 1
    for one in (*running,):
        limits = Path(f"/proc/{one.pid}/limits").read_text()
        assert re.search(rf"^Max data size +{8 * 2**30} +{8 * 2**30} ", limits, re.MULTILINE), one.cmdline()
        assert re.search(r"^Max processes +1000 +1000 ", limits, re.MULTILINE), one.cmdline()
        assert re.search(r"^Umask:\s+0077$", Path(f"/proc/{one.pid}/status").read_text(), re.MULTILINE)
    assert kernels[0].exe() == os.path.realpath(sys.executable)
    environment = kernels[0].environ()
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["VIRTUAL_ENV" if "VIRTUAL_ENV" in environment else "PATH"].startswith(sys.prefix)
    page = people["ada"].get(f"/user/{hub.accounts.names['ada']}/lab").text
    config = json.loads(re.search(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    lacks = {"@jupyter/nbgrader:formgrader", "@jupyterlab/apputils-extension:announcements"}
    assert lacks | {"@jupyterlab/debugger-extension"} <= set(config["disabledExtensions"])
    assert people["ada"].get(f"/user/{hub.accounts.names['ada']}/formgrader/").status_code == 404


def test_a_ta_grades_and_a_student_reads_the_page(hub, people):
    ta, api = people["tim"], f"{hub.service}/formgrader/api"
    ada, bob = (hub.accounts.names[one] for one in STUDENTS)
    collected = ta.ask("POST", f"{api}/assignment/{exercise.ASSIGNMENT}/collect")
    assert collected["success"], collected
    graded = ta.ask("POST", f"{api}/submission/{exercise.ASSIGNMENT}/{ada}/autograde")
    assert graded["success"], graded
    found = {one["student"]: one for one in ta.ask("GET", f"{api}/submissions/{exercise.ASSIGNMENT}")}
    assert (found[ada]["score"], found[bob]["autograded"]) == (4, False)
    (notebook,) = ta.ask("GET", f"{api}/submitted_notebooks/{exercise.ASSIGNMENT}/{exercise.NOTEBOOK}")
    assert ANSWER in ta.get(f"{hub.service}/formgrader/submissions/{notebook['id']}/").text
    for kind, value in {"grade": {"manual_score": 1}, "comment": {"manual_comment": "Well said"}}.items():
        entries = ta.ask("GET", f"{api}/{kind}s?submission_id={notebook['id']}")
        entry = next(one for one in entries if one["name"] == "q4_why")
        ta.ask("PUT", f"{api}/{kind}/{entry['id']}", json=value | {"id": entry["id"]})
    for step in ("generate_feedback", "release_feedback"):
        done = ta.ask("POST", f"{api}/assignment/{exercise.ASSIGNMENT}/{ada}/{step}")
        assert done["success"], done

    form = {"course_id": "test", "assignment_id": exercise.ASSIGNMENT}
    fetched = people["ada"].ask("POST", f"/user/{ada}/assignments/fetch_feedback", form)
    assert fetched["success"], fetched
    folders = people["ada"].ask("GET", f"/user/{ada}/api/contents/{exercise.ASSIGNMENT}/feedback")["content"]
    address = f"/user/{ada}/files/{folders[0]['path']}/{exercise.NOTEBOOK}.html"
    page = people["ada"].get(address).text
    assert "5 of 7 points" in page
    assert "Well said" in page
    assert people["bob"].get(address).status_code == 403
    feedback = hub.exchange / "test/feedback"
    assert len(list(feedback.iterdir())) == 1
    assert hub.accounts.readable("bob", feedback) == []


class Window(NamedTuple):
    """A student's browser, and what Validate showed there."""

    page: Any
    said: str


@pytest.fixture(scope="module")
def windows(hub, people, browser) -> Iterator[dict[str, Window]]:
    """Two more students at once, each in a browser of their own, up to the hand-in."""
    right = {text.partition("(")[0]: text for text in exercise.SOLUTIONS.values()} | {"Why?": ANSWER}
    answers = {"eve": right | {"def double": exercise.WRONG}, "dan": right}
    pages = {name: lab_pages.opened(browser, f"{hub.address}/hub/login") for name in answers}
    for name, page in pages.items():
        lab_pages.log_in(page, hub.accounts.names[name])
    for page in pages.values():
        lab_pages.wait_for_lab(page)
        lab_pages.fetch(page, exercise.ASSIGNMENT)
        lab_pages.open_fetched(page, exercise.ASSIGNMENT, exercise.NOTEBOOK)
    for name, page in pages.items():
        lab_pages.fill_in(page, answers[name])
    windows = {name: Window(page, lab_pages.validate(page)) for name, page in pages.items()}
    for page in pages.values():
        lab_pages.submit(page, exercise.ASSIGNMENT)
    yield windows
    for page in pages.values():
        page.context.close()


@pytest.fixture(scope="module")
def desks(hub, browser) -> Iterator[dict[str, Any]]:
    """The formgrader of two TAs, each in a browser of their own."""
    desks = {name: lab_pages.opened(browser, f"{hub.address}/hub/login?next=/hub/home") for name in STAFF}
    for name, page in desks.items():
        lab_pages.log_in(page, hub.accounts.names[name])
        page.get_by_text("Services").click()
        page.locator(".dropdown-menu").get_by_text("test", exact=True).click()
        page.locator("td.collect").wait_for()
    yield desks
    for page in desks.values():
        page.context.close()


def statuses(window: Window, *addresses: str) -> dict[str, int]:
    """What a student's browser is answered there."""
    page = window.page.context.new_page()
    found = {address: page.goto(address).status for address in addresses}
    page.close()
    return found


def test_students_in_chromium_hand_in_and_see_nothing_of_each_other(hub, windows):
    assert "Check q1_test\nCheck failed: double of 3: wrong value" in windows["eve"].said
    assert "passes all the tests" in windows["dan"].said
    eve = f"{hub.address}/user/{hub.accounts.names['eve']}"
    paths = ("lab", f"files/{exercise.ASSIGNMENT}/{exercise.NOTEBOOK}.ipynb", "api/contents", "terminals/1")
    found = statuses(windows["dan"], *(f"{eve}/{one}" for one in paths), f"{hub.address}{hub.service}/formgrader/")
    assert set(found.values()) == {403}, found
    assert set(statuses(windows["eve"], f"{eve}/api/contents").values()) == {200}


def test_a_ta_in_chromium_grades_and_marks_and_a_student_reads(hub, windows, desks):
    desk, names = desks["tim"], hub.accounts.names
    formgrader = f"{hub.address}{hub.service}/formgrader"
    collected = formgrader_pages.press(desk, exercise.ASSIGNMENT, "collect")
    formgrader_pages.show_submissions(desk, exercise.ASSIGNMENT)
    for name, score in (("eve", "4 / 7"), ("dan", "6 / 7")):
        assert f"Collecting submission: {names[name]}" in collected
        formgrader_pages.press(desk, names[name], "autograde")
        desk.locator("tbody tr", has_text=names[name]).get_by_text(score, exact=True).wait_for()
    # Both answers, in the order that the page leads through them; another TA looks at the first, too.
    formgrader_pages.show_question(desk, formgrader, exercise.ASSIGNMENT, exercise.NOTEBOOK, "q4_why")
    other = desks["tara"]
    other.goto(desk.url)
    formgrader_pages.wait_for_panel(other)
    assert other.get_by_role("status").inner_text() == f"{names['tim']} has this answer open, too."
    for more in (True, False):
        desk.keyboard.press("1")
        desk.get_by_text("0.5 of 1", exact=True).wait_for()
        if more:
            other.keyboard.press("2")
            other.get_by_text(f"{names['tim']} has given ½ for this answer meanwhile").wait_for()
        with desk.expect_navigation():
            desk.keyboard.press("n")
        if more:
            formgrader_pages.wait_for_panel(desk)
    assert re.search(r"([23]) of \1", desk.locator("tbody tr", has_text="q4_why").inner_text())
    desk.goto(f"{formgrader}/manage_submissions/{exercise.ASSIGNMENT}")
    for step in ("generate-feedback", "release-feedback"):
        assert "Success" in formgrader_pages.press(desk, names["eve"], step)
    page = lab_pages.read_feedback(windows["eve"].page, exercise.ASSIGNMENT, exercise.NOTEBOOK)
    assert "4.5 of 7 points" in page
    assert "q4_why: 0.5 of 1 · read by a TA" in page
    assert "½ of ½: the length" in page
    address = windows["eve"].page.url.replace("/lab/tree/", "/files/")
    assert set(statuses(windows["dan"], address).values()) == {403}


def test_the_administrator_guides_commands_work_as_they_stand_there(hub, people):
    accounts, course = hub.accounts, hub.course.folder
    text = (ROOT / "docs/administrator_guide.md").read_text(encoding="utf-8")
    backup = accounts.home("course") / "backup"
    here = {
        "/srv/dl1/exchange": str(hub.exchange),
        "/srv/dl1/backup": str(backup),
        "http://127.0.0.1:8000": hub.address,
        "NAME": accounts.names["bob"],
        "-o dl1 -g dl1": "-o {0} -g {0}".format(accounts.names["course"]),
    }

    def typed(words: str, account: str | None = None) -> tuple[int, str]:
        """What a line of the guide does here, by root or by an account in the course's folder."""
        found = re.findall(rf"(?:^    |`)({re.escape(words)}.*?)(?:`|  +#|$)", text, re.MULTILINE)
        assert found, words
        line = found[0]
        for there, place in here.items():
            line = line.replace(there, place)
        folder = course if account else Path("/")
        process = accounts.start(account, "sh", "-c", line, folder=folder, NBGRADER_EXCHANGE=str(hub.exchange))
        said, _ = process.communicate()
        return process.returncode, said

    assert typed("bwrap --unshare-all") == (0, "")
    assert typed("curl -s http://127.0.0.1:8000/hub/health")[0] == 0
    owner = accounts.names["course"]
    modes = typed("find /srv/dl1/exchange")[1].splitlines()
    wanted = ["1777 root ", f"755 {owner} test", f"755 {owner} test/outbound", f"3733 {owner} test/inbound"]
    assert sorted(modes) == sorted([*wanted, f"711 {owner} test/feedback"])
    assert typed("nbgrader db student add", "course")[0] == 0
    status, said = typed("python -m proctor doctor", "course")
    assert "exchange" in said
    assert status == 0, said
    assert typed("install -d -m 700") == (0, "")
    status, said = typed("python -m proctor backup", "course")
    assert status == 0, said
    (here["FILE"],) = [one.name for one in backup.iterdir()]
    status, said = typed("python -m proctor restore", "course")
    assert status == 0, said
    # An account that is closed can't log in any more.
    assert typed("usermod --expiredate 1 NAME")[0] == 0
    with pytest.raises(AssertionError, match="Invalid username or password"):
        hub.login("bob")
    subprocess.run(["usermod", "--expiredate", "", accounts.names["bob"]], check=True)
