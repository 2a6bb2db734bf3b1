"""A PostgreSQL server for as long as a test needs it: in a temporary folder, on a socket, without a network.

Needs Debian's package: `apt install postgresql`. The server's programs refuse root, so they then run as the account
`postgres`, which that package makes.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_ACCOUNT = "postgres"
_SECONDS_TO_START = 60
_PROGRAMS = ("initdb", "postgres", "psql", "setpriv")


def missing() -> str | None:
    """What is not installed here that a server, or a gradebook on it, needs; None if nothing is missing."""
    lacking = [name for name in _PROGRAMS if _program(name) is None]
    if lacking:
        return f"no PostgreSQL server here ({', '.join(lacking)}): apt install postgresql"
    if importlib.util.find_spec("psycopg") is None:
        return "no driver for PostgreSQL here: pip install -c constraints.txt 'psycopg[binary]'"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(_ACCOUNT)
        except KeyError:
            return f"no account {_ACCOUNT} here, as which root can start a server: apt install postgresql"
    return None


def _program(name: str) -> Path | None:
    """Debian keeps them out of PATH, a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which(name)
    return found[-1] if found else Path(on_path) if on_path else None


class Server:
    """A running server; `stop` ends it and removes all of it.

    The account `grader` has to give `password`; `tests`, which may do everything, is let in as it is.
    """

    def __init__(self) -> None:
        # A socket's path has to be short, so not in a folder of the test's.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.password = secrets.token_hex(8)
        self._data, self._account = self.folder / "data", []
        self._process: subprocess.Popen | None = None
        try:
            if os.geteuid() == 0:
                account = pwd.getpwnam(_ACCOUNT)
                os.chown(self.folder, account.pw_uid, account.pw_gid)
                self._account = ["setpriv", f"--reuid={_ACCOUNT}", f"--regid={account.pw_gid}", "--clear-groups"]
            self.folder.chmod(0o755)
            self._run(
                "initdb", "-D", self._data, "--no-sync", "-A", "trust", "-U", "tests", "-E", "UTF8", "--no-locale"
            )
            who = "local all tests trust\nlocal all all scram-sha-256\n"
            (self._data / "pg_hba.conf").write_text(who)
            self.start()
            self.tell("postgres", f"CREATE ROLE grader LOGIN PASSWORD '{self.password}'")
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Start it again after `halt`."""
        command = [str(_program("postgres")), "-D", str(self._data), "-k", str(self.folder)]
        # It ends with this process, however that ends.
        ending = self._account or ["setpriv"]
        self._process = subprocess.Popen(
            [*ending, "--pdeathsig=INT", *command, "-c", "listen_addresses=", "-c", "fsync=off"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                self.tell("postgres", "SELECT 1")
                return
            except RuntimeError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise
            time.sleep(0.05)

    def halt(self) -> None:
        """Let it be away, as when its machine is started anew; its data stay."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def stop(self) -> None:
        """End it, and remove its folder."""
        try:
            if self._process is not None and self._process.poll() is None:
                self.halt()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str, pattern: str = "template1") -> str:
        """Make a database of the account `grader`, empty or a copy of another; returns its address for nbgrader."""
        self.tell("postgres", f'CREATE DATABASE "{name}" OWNER grader TEMPLATE "{pattern}"')
        return self.url(name)

    def url(self, name: str, user: str = "grader", password: str | None = None) -> str:
        """The address of a database, whether it is there or not."""
        return f"postgresql://{user}:{password or self.password}@/{name}?host={self.folder}"

    def tell(self, database: str, *statements: str) -> str:
        """Run statements by the account that may do everything; returns what came of them."""
        options = [part for one in statements for part in ("-c", one)]
        return self._run(
            "psql", "-h", self.folder, "-U", "tests", "-d", database, "-v", "ON_ERROR_STOP=1", "-At", *options
        )

    def holding(self, database: str, statement: str) -> subprocess.Popen:
        """Another program that has begun to change something, and doesn't go on; end it with `kill`."""
        program = str(_program("psql"))
        process = subprocess.Popen(
            [program, "-h", str(self.folder), "-U", "tests", "-d", database, "-Atq"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        process.stdin.write(f"BEGIN;\n{statement};\n\\echo held\n")
        process.stdin.flush()
        assert process.stdout.readline() == "held\n"
        return process

    def wait_for(self, database: str, question: str, answer: str) -> None:
        """Until a query has an answer.

        Raises:
            TimeoutError: it had not within a minute.
        """
        until = time.monotonic() + _SECONDS_TO_START
        while self.tell(database, question).strip() != answer:
            if time.monotonic() > until:
                raise TimeoutError(question)
            time.sleep(0.1)

    def _run(self, program: str, *arguments: object) -> str:
        command: Sequence[str] = [*self._account, str(_program(program)), *map(str, arguments)]
        # Its children keep a pipe open, so what it says goes to a file.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
            said.seek(0)
            text = said.read()
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {text}")
        return text
