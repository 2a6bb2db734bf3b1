"""Small tasks for worker processes, which import them by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from proctor.jobs import worker

_prepared: list[str] = []


def prepare(place: str) -> None:
    _prepared.append(place)
    worker.at_end(lambda: (Path(place) / f"ended-{os.getpid()}").touch())


def prepared() -> list[str]:
    return _prepared


def echo(word: str) -> tuple[int, str]:
    return os.getpid(), word


def take_a_while(place: str, turn: int) -> None:
    """Writes down when it begins and ends."""
    for word in ("begins", "ends"):
        with (Path(place) / "turns").open("a") as file:
            file.write(f"{os.getpid()} {word} {turn}\n")
        time.sleep(0.2)


def fail(word: str) -> None:
    raise ValueError(word)


def die(place: str, times: int, word: str, turn: int = 0) -> str:
    """Kills its own process so many times."""
    before = len(list(Path(place).glob(f"{word}-*")))
    if before < times:
        (Path(place) / f"{word}-{before}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return word


def wait_for_file(place: str, word: str) -> str:
    """Says that it has begun, and waits, with a child of its own, until there is a file `go`."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (Path(place) / f"began-{word}").write_text(f"{os.getpid()} {child.pid}")
    try:
        while not (Path(place) / "go").exists():
            time.sleep(0.02)
        return word
    finally:
        child.kill()
        child.wait()
        (Path(place) / f"undone-{word}").touch()


def signals_of_a_program(word: str) -> str:
    """What a program that is started here finds: which signals are ignored, and which are blocked."""
    lines = "[line for line in open('/proc/self/status') if line.startswith(('SigIgn', 'SigBlk'))]"
    program = [sys.executable, "-c", f"print({lines})"]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout
