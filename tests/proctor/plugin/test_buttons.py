"""The formgrader's buttons, from a real server: others get pages while a command is at work."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import exercise
import nbformat
import psutil
import pytest
from formgrader_server import Server
from nbgrader.server_extensions.formgrader import apihandlers
from tornado.web import HTTPError, RequestHandler
from traitlets.config import Config, LazyConfigValue

from proctor.plugin import buttons

# A command that waits until it may go on; it says who it is.
WAITING = """
def _wait(*, assignment, **more):
    import os, pathlib, time
    here = pathlib.Path(c.CourseDirectory.root)
    (here / "at_work").write_text(str(os.getpid()))
    while (here / "wait").exists():
        time.sleep(0.05)
c.BaseConverter.pre_convert_hook = _wait
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("buttons"), WAITING)
    source = made.folder / "source" / "hw"
    source.mkdir(parents=True)
    (source / "ex.ipynb").write_text(nbformat.writes(nbformat.from_dict(exercise.instructor_notebook())))
    try:
        made.wait()
        yield made
    finally:
        made.process.kill()
        made.process.wait()


@pytest.fixture
def server(started):
    (started.folder / "at_work").unlink(missing_ok=True)
    (started.folder / "wait").touch()
    return started


def until(file: Path, server: Server) -> int:
    while not (file.exists() and file.read_text()):
        assert server.process.poll() is None, server.log.read_text()
        time.sleep(0.05)
    return int(file.read_text())


@pytest.mark.slow
def test_others_get_their_pages_while_a_button_is_at_work(server):
    with ThreadPoolExecutor() as pool:
        pressed = pool.submit(server.post, "/formgrader/api/assignment/hw/assign")
        process = until(server.folder / "at_work", server)
        try:
            assert process != server.process.pid
            assert [server.get("/formgrader/api/assignments")[0] for _ in range(3)] == [200] * 3
            assert not pressed.done()
            # A second button waits for the first.
            second = pool.submit(server.post, "/formgrader/api/submission/hw/nobody/autograde")
        finally:
            (server.folder / "wait").unlink()
        answer = pressed.result()
        assert answer["success"], answer
        assert "ex.ipynb" in answer["log"]
        assert (server.folder / "release" / "hw" / "ex.ipynb").is_file()
        refused = second.result()
    assert not refused["success"]
    assert "no submissions of hw by nobody" in refused["log"]


@pytest.mark.slow
def test_a_command_that_was_killed_is_an_answer_and_the_next_goes_on(server):
    with ThreadPoolExecutor() as pool:
        pressed = pool.submit(server.post, "/formgrader/api/assignment/hw/assign")
        psutil.Process(until(server.folder / "at_work", server)).kill()
        answer = pressed.result()
    assert not answer["success"]
    assert "ended before it was done (status -9)" in answer["error"]
    (server.folder / "wait").unlink()
    assert server.post("/formgrader/api/assignment/hw/assign")["success"]


def test_no_button_does_its_work_in_the_server(monkeypatch):
    names = [name for name in vars(apihandlers) if name.endswith("Handler")]
    before = {name: getattr(apihandlers, name).post for name in names}
    with_button = {name for name in names if before[name] is not RequestHandler.post}
    for name in with_button:
        monkeypatch.setattr(getattr(apihandlers, name), "post", before[name])
    buttons.press_beside()
    changed = {name for name in names if getattr(apihandlers, name).post is not before[name]}
    # A flag is a line in the gradebook.
    assert changed == with_button - {"FlagSubmissionHandler"}


@pytest.mark.parametrize("command", sorted(set(buttons._COMMANDS.values())))
def test_who_is_not_logged_in_presses_nothing(command):
    asked = SimpleNamespace(current_user=None, request=SimpleNamespace(method="POST"))
    with pytest.raises(HTTPError) as refused:
        buttons._beside(command)(asked, "hw")
    assert refused.value.status_code == 403


def test_what_can_not_be_passed_on_is_left_to_the_file_of_settings():
    config = Config()
    config.CourseDirectory.root = "/srv/course"
    config.Proctor.extensions = {"hw": {"ada": datetime(2026, 12, 1, tzinfo=UTC)}}
    config.GenerateAssignment.post_convert_hook = lambda: None
    config.Exchange.ignored = LazyConfigValue()
    assert buttons.passed_on(config) == {
        "CourseDirectory": {"root": "/srv/course"},
        "Proctor": {"extensions": config.Proctor.extensions},
    }


@pytest.mark.slow
def test_a_command_ends_with_its_server(server):
    # The last test: there is no server behind it.
    with ThreadPoolExecutor() as pool:
        pressed = pool.submit(server.post, "/formgrader/api/assignment/hw/assign")
        process = psutil.Process(until(server.folder / "at_work", server))
        server.process.terminate()
        server.process.wait()
        process.wait(600)
        assert isinstance(pressed.exception(), OSError)
