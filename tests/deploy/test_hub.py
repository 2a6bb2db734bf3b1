"""deploy/jupyterhub, started with accounts of this machine: an assignment's way from the TA to two students and back.

At each station another student tries to read what isn't his.
"""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import exercise
import psutil
import pytest
import requests
from accounts import Accounts, lacking, made
from course_folder import ROOT, Course
from hub_browser import Browser

from proctor.sandbox.bubblewrap import availability

PROXY = "configurable-http-proxy"
PROXIES = [one / "node_modules/.bin" / PROXY for one in Path(__file__).resolve().parents]


def proxy() -> str | None:
    """The program, wherever it is installed."""
    return shutil.which(PROXY) or next((str(one) for one in PROXIES if one.is_file()), None)


def missing() -> str | None:
    """What a hub needs and this machine lacks."""
    if importlib.util.find_spec("jupyterhub") is None:
        return "no JupyterHub here: pip install -c constraints.txt jupyterhub"
    if proxy() is None or shutil.which("node") is None:
        return f"no {PROXY} here: npm install {PROXY}, in this folder or a folder above, and node"
    return lacking() or availability()


MISSING = missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
STUDENTS = ("ada", "bob")
ANSWER = "Because a unit vector has length one."


class Hub(NamedTuple):
    """A hub that runs, and what lies around it."""

    address: str
    accounts: Accounts
    course: Course
    exchange: Path

    def login(self, name: str) -> Browser:
        return Browser(self.address, self.accounts.names[name])

    @property
    def service(self) -> str:
        return "/services/test"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(address, timeout=60).ok:
                return
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with made({"students": STUDENTS, "staff": ("tim",), "owner": ("course",)}) as accounts:
        words = "\n".join(f"{name}:{name}" for name in accounts.names.values())
        subprocess.run(["chpasswd"], input=words, text=True, check=True)
        place, owner = accounts.place, accounts.names["course"]
        course = Course(place)
        config = course.folder / "nbgrader_config.py"
        secret = accounts.home("course") / "secret"
        config.write_text(
            f"import os\n{config.read_text()}\nc.Exchange.root = os.environ['NBGRADER_EXCHANGE']\n"
            f"c.Proctor.secret = {str(secret)!r}\n"
        )
        subprocess.run(["chown", "-R", f"{owner}:{owner}", course.folder], check=True)
        course.folder.chmod(0o700)
        port, *others = free_ports(4)
        settings = {
            "course": "test",
            "course_account": owner,
            "course_folder": str(course.folder),
            "students": accounts.groups["students"],
            "staff": accounts.groups["staff"],
            "exchange": str(place / "exchange"),
            "students_environment": sys.prefix,
            "staff_environment": sys.prefix,
            "state": str(place / "state"),
            "runtime": str(place / "run"),
            "proxy": proxy(),
            "address": f"http://127.0.0.1:{port}",
            "ports": others,
        }
        file = place / "hub.toml"
        file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
        log = place / "log"
        process = accounts.start(
            None,
            *("sh", "-c", 'exec "$0" -m jupyterhub -f "$1" > "$2" 2>&1', sys.executable),
            *(str(ROOT / "deploy/jupyterhub/jupyterhub_config.py"), str(log)),
            folder=place,
            DL1_HUB=str(file),
        )
        made_hub = Hub(settings["address"], accounts, course, place / "exchange")
        try:
            wait_for(f"{made_hub.address}/hub/health", process, log)
            yield made_hub
            said = log.read_text()
            assert "Traceback" not in said, said
        finally:
            if os.environ.get("HUB_LOG"):
                shutil.copy(log, os.environ["HUB_LOG"])
            process.send_signal(signal.SIGTERM)
            process.wait()
            # A hub that has failed leaves its proxy.
            with contextlib.suppress(OSError):
                os.kill(int((place / "state/proxy.pid").read_text().split()[0]), signal.SIGTERM)


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
