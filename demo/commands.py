"""Runs nbgrader's commands as a person would type them: quietly, with the time that they take, and a log for each."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.errors import DemoError
from demo.run_folder import RunFolder

LOG_LINES_SHOWN = 15
# Where output goes to a file, a sign of life this often; on a terminal the running line is rewritten instead.
SECONDS_BETWEEN_SIGNS = 15


@dataclass(frozen=True)
class Command:
    """`nbgrader ARGUMENTS` by the person whose home is `home`, in the folder `folder`."""

    arguments: tuple[str, ...]
    home: Path
    folder: Path

    def __str__(self) -> str:
        return shlex.join(("nbgrader", *self.arguments))


class Commands:
    """Runs commands in a run folder and prints a line for each."""

    def __init__(self, run: RunFolder) -> None:
        self.run_folder = run
        self.on_terminal = sys.stdout.isatty()
        self._number = 0

    def run(self, commands: Sequence[Command], shown_as: str | None = None) -> None:
        """Run all `commands` at the same time and print one line for them when the last has ended.

        Raises DemoError, with the end of its log, if one fails; whatever still runs is then ended, as it is when
        this process is interrupted.
        """
        title = shown_as or str(commands[0])
        started = time.monotonic()
        running: list[tuple[Command, subprocess.Popen, Path]] = []
        try:
            for command in commands:
                running.append((command, *self._start(command)))
            self._wait(running, title, started)
        finally:
            for _, process, _ in running:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        self._write_line(title, time.monotonic() - started, "\n")
        for command, process, log in running:
            if process.returncode:
                tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:])
                raise DemoError(
                    f"`{command}` failed (exit status {process.returncode}).\n"
                    f"Its folder: {command.folder}\nThe whole log: {log}\nThe log ends with:\n\n{tail}"
                )

    def _start(self, command: Command) -> tuple[subprocess.Popen, Path]:
        self._number += 1
        log = self.run_folder.logs / f"{self._number:02d}-{command.arguments[0]}-{command.home.name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "nbgrader", *command.arguments],
                cwd=command.folder,
                env=self.run_folder.environment(command.home),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                pass_fds=(self.run_folder.lock.fileno(),),
            )
        return process, log

    def _wait(self, running: list[tuple[Command, subprocess.Popen, Path]], title: str, started: float) -> None:
        next_sign = started + (0.5 if self.on_terminal else SECONDS_BETWEEN_SIGNS)
        while any(process.poll() is None for _, process, _ in running):
            time.sleep(0.05)
            now = time.monotonic()
            if now >= next_sign:
                if self.on_terminal:
                    self._write_line(f"{title}  {self._doing(running[-1][2])}", now - started, "\r")
                else:
                    self._write_line(f"  … {self._doing(running[-1][2])}", now - started, "\n")
                next_sign = now + (0.5 if self.on_terminal else SECONDS_BETWEEN_SIGNS)

    def _doing(self, log: Path) -> str:
        """What the command's log says that it has begun, with paths inside the course shortened."""
        begun = re.findall(r"^\[\w+ \| INFO\] (.*)", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        return begun[-1].replace(f"{self.run_folder.course}/", "") if begun else "starting"

    def _write_line(self, text: str, seconds: float, end: str) -> None:
        line = f"  {seconds:6.1f} s  {text}"
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1
            line = line[:width].ljust(width) if end == "\r" else line.ljust(width)
            print(f"\r{line}", end="" if end == "\r" else "\n", flush=True)
        else:
            print(line, flush=True)
