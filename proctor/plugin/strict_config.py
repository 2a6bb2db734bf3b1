"""A course's settings that can't be read end every command: without them nbgrader would grade alone, in no sandbox.

Jupyter says what is wrong with a file of settings, and goes on without it. So this has to be there before that file is
read: the staff's environment has it in `etc/jupyter/jupyter_config.py`, which every command reads first.
"""

from __future__ import annotations

import difflib
import sys
import traceback
from importlib import import_module
from typing import NoReturn

from nbgrader.apps.baseapp import NbGrader
from traitlets.config import Config, ConfigFileNotFound, PyFileConfigLoader

from proctor.settings import misspelt

# Sections with settings of ours, and the modules of their classes, which a course without them need not import.
_OURS = {
    "Proctor": "proctor.settings",
    "Autograde": "proctor.plugin.autograde",
    "BrightspaceTotals": "proctor.plugin.brightspace_export",
    "CanvasTotals": "proctor.plugin.canvas_export",
    "GradesTable": "proctor.plugin.export",
    "LmsTable": "proctor.plugin.lms_export",
    "SealInbound": "proctor.plugin.seal",
    "ZipCollect": "proctor.plugin.zip_collect",
}
# Sections that exist and are called much like one of those.
_LIKE_OURS = {"Collect"}


def install() -> None:
    """Let every command of nbgrader in this process refuse settings with a mistake in them."""
    NbGrader.python_config_loader_class = _Strict


def installed() -> bool:
    """Whether this process refuses them."""
    return NbGrader.python_config_loader_class is _Strict


class _Strict(PyFileConfigLoader):
    def load_config(self) -> Config:
        """Read the file.

        Raises:
            ConfigFileNotFound: there is none.
            SystemExit: there is a mistake in it, which was printed.
        """
        try:
            config = super().load_config()
        except ConfigFileNotFound:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}".replace("\n", " ")
            _refuse(f"{self.full_filename}{_line(error, self.full_filename)}", said)
        if problem := _misspelt(config):
            _refuse(self.full_filename, problem)
        return config


def _misspelt(config: Config) -> str | None:
    for section in config:
        if section in _OURS:
            if problem := misspelt(config, getattr(import_module(_OURS[section]), section)):
                return problem
        # nbgrader's ZipCollectApp and AutogradeApp are sections of their own.
        elif section in _LIKE_OURS or section.endswith("App"):
            continue
        elif nearest := difflib.get_close_matches(section, _OURS, 1, 0.8):
            return f"c.{section}: there is no such section; is c.{nearest[0]} meant?"
    return None


def _refuse(place: str, said: str) -> NoReturn:
    print(f"nothing was done: {place}: {said}; correct this file and run the command again", file=sys.stderr)
    sys.exit(1)


def _line(error: Exception, name: str) -> str:
    """The line of a file in which an error came up, in words; empty if that isn't known."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f", line {lines[-1]}" if lines else ""
