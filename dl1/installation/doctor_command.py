"""``python -m dl1.doctor``: what is wrong with this installation, and the line that mends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

from dl1.installation import interpreter, jupyter, machine, versions
from dl1.installation.seen import KNOW, MEND, Seen


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 1 if something has to be mended, else 0."""
    given = sys.argv[1:] if arguments is None else arguments
    if [one for one in given if one.startswith("-")] or len(given) > 1:
        print(__doc__ + "\n\nusage: python -m dl1.doctor [FOLDER WITH THE NOTEBOOKS]")
        return 0 if given in (["-h"], ["--help"]) else 2
    folder = Path(given[0] if given else os.curdir).expanduser().resolve()
    if not folder.is_dir():
        print(f"{folder}: there is no such folder; name the one with your notebooks", file=sys.stderr)
        return 2
    found = []
    for one in look(folder):
        print(one, flush=True)
        found.append(one)
    count = {level: sum(one.level == level for one in found) for level in (MEND, KNOW)}
    print(f"{count[MEND]} to mend, {count[KNOW]} to know of")
    return 1 if count[MEND] else 0


def look(folder: Path) -> Iterator[Seen]:
    """All that is looked at, one after the other; what can't be looked at is said and ends nothing."""
    for what, check in checks(folder):
        try:
            yield from check()
        except Exception as error:
            yield Seen(KNOW, f"{what} could not be looked at ({type(error).__name__}: {error})")


def checks(folder: Path) -> Iterable[tuple[str, Callable[[], Iterable[Seen]]]]:
    """What is looked at in a folder of notebooks, in order, with a name for each."""
    return [
        ("Python", interpreter.python),
        ("the environment", interpreter.environment),
        ("dl1", interpreter.kit),
        ("packages", lambda: versions.packages(versions.find_pins(folder))),
        ("files in the folder", lambda: interpreter.hidden_modules(folder)),
        ("imports", versions.imports),
        ("the kernel", lambda: jupyter.kernel(jupyter.data_folders(), folder)),
        ("JupyterLab", jupyter.started_jupyter),
        ("widgets", lambda: jupyter.widgets(Path(sys.prefix), jupyter.settings_folders())),
        ("the disk", lambda: machine.disk(folder, _is_installed("torch"))),
        ("rights", lambda: machine.rights(folder)),
        ("data sets", machine.data_sets),
        ("the GPU", machine.gpu),
    ]


def _is_installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
