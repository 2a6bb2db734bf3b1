"""A real Jupyter server with nbgrader's formgrader on a small course."""

from __future__ import annotations

import http.cookiejar
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
c = get_config()
from proctor.plug_in import plug_in
plug_in(c)
c.CourseDirectory.course_id = "test"
c.CourseDirectory.root = {root!r}
c.Proctor.pages = {{"cpu_seconds": 4.0, "cell_cpu_seconds": 1.0}}
"""


class Server:
    """A Jupyter server on a course with one assignment.

    Args:
        settings: more lines of its file of settings.
    """

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder / "course"
        self.folder.mkdir()
        (self.folder / "nbgrader_config.py").write_text(CONFIG.format(root=str(self.folder)) + settings)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        places = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
        command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={self.port}"]
        command += ["--ServerApp.token=", "--ServerApp.password=", "--ServerApp.port_retries=0"]
        # nbgrader looks for alembic there when it makes a gradebook.
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ
                | places
                | {"JUPYTER_CONFIG_PATH": str(self.folder), "PYTHONPATH": str(ROOT), "PATH": tools},
                stdout=log,
                stderr=log,
            )

    def submit(self, student: str, *texts: str, content: str | None = None) -> str:
        """Puts an autograded notebook into the course; gives the address of its page."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])
        notebook.cells.append(nbformat.v4.new_code_cell("answer = 1"))
        flags = {"grade": True, "solution": True, "locked": False, "task": False, "schema_version": 3}
        notebook.cells[-1].metadata["nbgrader"] = {**flags, "grade_id": "q1", "points": 2}
        place = self.folder / "autograded" / student / "hw" / "ex.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(nbformat.writes(notebook) if content is None else content)
        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}", "test") as gradebook:
            gradebook.update_or_create_assignment("hw")
            gradebook.update_or_create_notebook("ex", "hw")
            # Without one the lists are empty.
            gradebook.update_or_create_grade_cell("q1", "ex", "hw", max_score=2, cell_type="code")
            gradebook.update_or_create_solution_cell("q1", "ex", "hw")
            gradebook.update_or_create_student(student)
            gradebook.add_submission("hw", student)
            return f"/formgrader/submissions/{gradebook.find_submission_notebook('ex', 'hw', student).id}/"

    def get(self, address: str) -> tuple[int, str, str]:
        """Status, policy and body of an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{address}", timeout=300) as answer:
                return answer.status, answer.headers["Content-Security-Policy"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Security-Policy"], error.read().decode()

    def post(self, address: str) -> dict:
        """What a button is answered."""
        return self.send(address, "POST", b"")

    def send(self, address: str, method: str, content: bytes) -> dict:
        """What a page's own script is answered."""
        cookies = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        browser.open(f"http://127.0.0.1:{self.port}/formgrader/", timeout=300).close()
        token = next(one.value for one in cookies if one.name == "_xsrf")
        headers = {"X-XSRFToken": token, "Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{address}", content, headers, method=method)
        with browser.open(asked, timeout=300) as answer:
            return json.load(answer)

    def wait(self) -> None:
        for _ in range(600):
            try:
                self.get("/api")
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.2)
        raise AssertionError(self.log.read_text())
