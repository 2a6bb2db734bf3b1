"""The formgrader's page of a submission, from a real server: who draws it, and what may run in it."""

import hashlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from proctor.plugin.formgrader import with_policy

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
c = get_config()
from proctor.plug_in import plug_in
plug_in(c)
c.CourseDirectory.course_id = "test"
c.CourseDirectory.root = {root!r}
c.Proctor.pages = {{"cpu_seconds": 4.0, "cell_cpu_seconds": 1.0}}
"""
SLOW = "$x$ " * 100_000


class Server:
    """A Jupyter server on a course with one assignment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "course"
        self.folder.mkdir()
        (self.folder / "nbgrader_config.py").write_text(CONFIG.format(root=str(self.folder)))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        places = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
        command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={self.port}"]
        command += ["--ServerApp.token=", "--ServerApp.password=", "--ServerApp.port_retries=0"]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | places | {"JUPYTER_CONFIG_PATH": str(self.folder), "PYTHONPATH": str(ROOT)},
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

    def wait(self) -> None:
        for _ in range(600):
            try:
                self.get("/api")
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.2)
        raise AssertionError(self.log.read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader looks for alembic there when it makes a gradebook.
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        made = Server(tmp_path_factory.mktemp("formgrader"))
        try:
            made.wait()
            yield made
        finally:
            made.process.terminate()
            made.process.wait()


@pytest.mark.slow
def test_an_honest_page_has_formulas_and_fields_and_scripts_of_its_own_only(server):
    status, policy, page = server.get(server.submit("ada", "*a* $x^2$"))
    assert status == 200
    assert "<em>a</em> <span" in page
    assert "<msup>" in page
    assert 'class="score tabbable" id="q1"' in page
    assert "libs/mathjax" not in page
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    scripts = re.findall(r"<script[^>]*>", page)
    assert len(scripts) > 10
    assert [one for one in scripts if f'nonce="{nonce}"' not in one] == []
    for text in re.findall(r' on\w+="([^"]*)"', page):
        assert b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    for word in ("unsafe-inline", "unsafe-eval", "strict-dynamic"):
        assert word not in policy


@pytest.mark.slow
def test_the_server_serves_while_a_slow_page_is_drawn(server):
    address = server.submit("eve", "*a*", SLOW)
    with ThreadPoolExecutor() as pool:
        page = pool.submit(server.get, address)
        statuses = [server.get("/api")[0] for _ in range(5)]
        assert not page.done()
        status, _, made = page.result()
    assert statuses == [200] * 5
    assert status == 200
    assert "<em>a</em>" in made
    assert made.count("This cell is shown as plain text") == 1
    assert 'class="score tabbable" id="q1"' in made


@pytest.mark.slow
@pytest.mark.parametrize("content", ["no notebook", "[" * 100_000])
def test_what_can_not_be_drawn_is_a_page_that_says_what_to_do(server, content):
    student = f"bob{len(content)}"
    status, _, page = server.get(server.submit(student, content=content))
    assert status == 500
    assert f"autograded/{student}/hw/ex.ipynb" in page
    assert "text editor" in page


@pytest.mark.slow
def test_a_submission_that_is_not_there_is_as_in_nbgrader(server):
    assert server.get("/formgrader/submissions/nobody/")[0] == 404


def test_scripts_outside_of_the_templates_own_places_get_no_password():
    page = "<html><head><script>1</script></head><body><script>2</script><p><script nonce=''>3</script></body></html>"
    made, policy = with_policy(page)
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert made.count(nonce) == 1
    assert f'<script nonce="{nonce}">1' in made
    assert with_policy(page)[1] != policy
