"""A person's browser at a JupyterHub, without its window: logs in, starts a server, and asks addresses of it."""

from __future__ import annotations

import time
from typing import Any

import requests

SECONDS = 300.0


class Browser:
    """Somebody who has logged in.

    Args:
        address: of the hub.
        name: of the account; its password is the same.
    """

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name = address, name
        self.session = requests.Session()
        self.get("/hub/login")
        form = {"username": name, "password": name, "_xsrf": self._token("/hub/")}
        answer = self.session.post(f"{address}/hub/login", data=form, timeout=SECONDS, allow_redirects=False)
        assert answer.status_code == 302, answer.text

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.address + path, timeout=SECONDS)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, json: Any = None) -> Any:
        """What an address answers to the page that lies there; an error ends the test with its text."""
        where = "/" + "/".join(path.split("/")[1:3]) + "/"
        place = "/hub/" if path.startswith("/hub/") else where
        answer = self.session.request(
            method,
            self.address + path,
            data=form,
            json=json,
            headers={"X-XSRFToken": self._token(place), "Referer": self.address + place},
            timeout=SECONDS,
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def start_server(self) -> str:
        """Start the own server, and wait until it is there; gives its address, beginning with /user."""
        self.ask("POST", f"/hub/api/users/{self.name}/server")
        deadline = time.monotonic() + SECONDS
        while not self.ask("GET", f"/hub/api/users/{self.name}")["servers"].get("", {}).get("ready"):
            assert time.monotonic() < deadline, "no server of its own"
            time.sleep(0.2)
        own = f"/user/{self.name}"
        # The first look logs in there, too.
        assert self.get(f"{own}/lab").status_code == 200
        return own

    def _token(self, place: str) -> str:
        found = [one.value for one in self.session.cookies if one.name == "_xsrf" and one.path == place]
        return found[0] if found else ""
