"""What a Jupyter server and a kernel know of changes that are not in the files."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dl1.handing_in import unsaved

SESSIONS = [
    {"path": "ps1/1_one.ipynb", "kernel": {"last_activity": "2026-11-29T06:00:00.5Z", "execution_state": "busy"}},
    {"path": "ps1/2_two.ipynb", "kernel": {"last_activity": "2026-11-29T06:00:00Z", "execution_state": "idle"}},
    {"path": "no kernel"},
    "nonsense",
]


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path == "/base/api/sessions" and self.headers["Authorization"] == "token t0"
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(json.dumps(SESSIONS if known else {"message": "Forbidden"}).encode())

    def log_message(self, *words):
        """Say nothing."""


@pytest.fixture
def server(monkeypatch, tmp_path):
    with HTTPServer(("127.0.0.1", 0), Server) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        about = {"url": f"http://127.0.0.1:{made.server_port}/base/", "token": "t0", "root_dir": str(tmp_path)}
        told = ["nonsense", json.dumps(about), json.dumps(about | {"token": "another"}), json.dumps({"url": "x"})]
        done = subprocess.CompletedProcess([], 0, "\n".join(told), "")
        monkeypatch.setattr(unsaved.subprocess, "run", lambda *given, **options: done)
        yield
        made.shutdown()


def test_open_notebooks_are_asked_for_with_the_servers_own_token(server, tmp_path):
    found = unsaved.opened_notebooks()
    assert [(one["path"], one["busy"]) for one in found] == [
        (tmp_path / "ps1/1_one.ipynb", True),
        (tmp_path / "ps1/2_two.ipynb", False),
    ]
    assert found[0]["used"] - found[1]["used"] == 0.5


def test_without_jupyter_nothing_is_known(monkeypatch):
    def missing(*given, **options):
        raise FileNotFoundError("no jupyter")

    monkeypatch.setattr(unsaved.subprocess, "run", missing)
    assert unsaved.opened_notebooks() == []


def test_a_text_that_ran_and_is_in_no_cell_was_not_saved():
    assert unsaved.not_in_file("x = 2\n", ["x = 1"])
    assert not unsaved.not_in_file("x = 1\n", ["x = 1"])
    assert not unsaved.not_in_file(" ", [])
