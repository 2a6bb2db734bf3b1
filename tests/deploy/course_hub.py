"""deploy/jupyterhub, started with accounts of this machine around a course folder; that needs root and a proxy."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

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


@contextlib.contextmanager
def running(students: tuple[str, ...], staff: tuple[str, ...], make_course: Callable[[Path], Course]) -> Iterator[Hub]:
    """A hub for some accounts; each account's password is its name.

    Args:
        make_course: makes the course in a folder; it then belongs to the account `course`.
    """
    with made({"students": students, "staff": staff, "owner": ("course",)}) as accounts:
        words = "\n".join(f"{name}:{name}" for name in accounts.names.values())
        subprocess.run(["chpasswd"], input=words, text=True, check=True)
        place, owner = accounts.place, accounts.names["course"]
        course = make_course(place)
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
        hub = Hub(settings["address"], accounts, course, place / "exchange")
        try:
            wait_for(f"{hub.address}/hub/health", process, log)
            yield hub
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
