"""JupyterLab's side: whether its kernel is this environment, and whether widgets are shown."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from dl1.installation.seen import KNOW, MEND, OK, Seen, quoted

_WIDGETS = {"@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets", "anywidget": "anywidget"}
_KERNEL = "python3"


def data_folders() -> list[Path]:
    """Where kernels are looked for, the first that has one first."""
    home = Path.home()
    own = {"darwin": home / "Library" / "Jupyter", "win32": Path(os.environ.get("APPDATA", str(home))) / "jupyter"}
    user = Path(os.environ.get("JUPYTER_DATA_DIR") or own.get(sys.platform, home / ".local" / "share" / "jupyter"))
    named = [Path(one) for one in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if one]
    environment = Path(sys.prefix) / "share" / "jupyter"
    # An environment's own ones come before the user's, except without an environment.
    inner = [user, environment] if sys.prefix == sys.base_prefix else [environment, user]
    return [*named, *inner, Path("/usr/local/share/jupyter"), Path("/usr/share/jupyter")]


def kernels(folders: list[Path]) -> dict[str, tuple[Path, str]]:
    """By a kernel's name, the file that says what it is and the program that it starts; the first one found counts."""
    found: dict[str, tuple[Path, str]] = {}
    for folder in folders:
        for path in sorted((folder / "kernels").glob("*/kernel.json")):
            try:
                program = str(json.loads(path.read_text(encoding="utf-8"))["argv"][0])
            except (OSError, ValueError, KeyError, IndexError, TypeError):
                program = ""
            found.setdefault(path.parent.name.lower(), (path, program))
    return found


def kernel(folders: list[Path], notebooks: Path) -> Iterator[Seen]:
    """Whether notebooks run in this environment.

    Args:
        notebooks: folder in which they lie.
    """
    mend = f"{quoted(sys.executable)} -m ipykernel install --sys-prefix"
    found = kernels(folders)
    if _KERNEL in found:
        path, program = found[_KERNEL]
        if not program:
            yield Seen(MEND, f"{path} can't be read", mend)
        elif Path(program).is_absolute() and not _is_this(program):
            line = f"notebooks run in another environment: the kernel {_KERNEL} starts {program} ({path})"
            yield Seen(MEND, line, mend)
        else:
            yield Seen(OK, f"the kernel {_KERNEL} is this environment")
    wanted = sorted({name for name in _asked_for(notebooks) if name.lower() not in {*found, _KERNEL}})
    if wanted:
        line = f"notebooks here ask for the kernel {', '.join(wanted)}, which isn't there"
        yield Seen(KNOW, line, "choose Python 3 (ipykernel): Kernel -> Change Kernel")
    for name in sorted({name for name in _asked_for(notebooks) if name.lower() in found and name.lower() != _KERNEL}):
        _, program = found[name.lower()]
        if Path(program).is_absolute() and not _is_this(program):
            line = f"notebooks here ask for the kernel {name}, which starts another Python ({program})"
            yield Seen(MEND, line, "choose Python 3 (ipykernel): Kernel -> Change Kernel")


def started_jupyter() -> Iterator[Seen]:
    """Which JupyterLab the command `jupyter lab` starts."""
    found = shutil.which("jupyter")
    # The course's start page calls it by its path, and activates nothing.
    beside = shutil.which("jupyter", path=str(Path(sys.executable).parent))
    if found is None and beside is not None:
        yield Seen(OK, f"{quoted(beside)} lab starts the one of this environment, which isn't active")
    elif found is None:
        line = "the command jupyter isn't found: the environment isn't active, or JupyterLab isn't installed"
        yield Seen(KNOW, line, f"start it with: {quoted(sys.executable)} -m jupyterlab")
    elif Path(sys.prefix).resolve() not in Path(found).parent.resolve().parents:
        line = f"`jupyter lab` starts the one of another environment: {found}"
        yield Seen(MEND, line, f"activate this environment, or start: {quoted(sys.executable)} -m jupyterlab")
    else:
        yield Seen(OK, "`jupyter lab` starts the one of this environment")


def widgets(prefix: Path, settings: list[Path]) -> Iterator[Seen]:
    """Whether JupyterLab has what draws widgets.

    Args:
        prefix: of the environment.
        settings: folders with JupyterLab's settings, the user's and the environment's.
    """
    missing = [name for name in _WIDGETS if not (prefix / "share/jupyter/labextensions" / name).is_dir()]
    for name in missing:
        again = f"{quoted(sys.executable)} -m pip install --force-reinstall --no-deps {_WIDGETS[name]}"
        mend = f"{again}    and restart JupyterLab"
        yield Seen(MEND, f"widgets aren't shown: JupyterLab lacks {name}", mend)
    disabled = [name for name in _WIDGETS if any(_is_disabled(name, folder) for folder in settings)]
    for name in disabled:
        mend = f"{quoted(sys.executable)} -m jupyter labextension enable {name}    and restart JupyterLab"
        yield Seen(MEND, f"widgets aren't shown: {name} is switched off in JupyterLab's settings", mend)
    if not missing and not disabled:
        yield Seen(OK, "JupyterLab has what draws widgets; reload its page in the browser if none is shown")


def settings_folders() -> list[Path]:
    """Where JupyterLab's settings lie."""
    user = os.environ.get("JUPYTER_CONFIG_DIR")
    return [Path(user) if user else Path.home() / ".jupyter", Path(sys.prefix) / "etc" / "jupyter"]


def _is_this(program: str) -> bool:
    # Links of an environment's interpreter lead to the same file as another one's: the folder tells them apart.
    return Path(program).parent.resolve() == Path(sys.executable).parent.resolve()


def _asked_for(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.ipynb"))[:50]:
        try:
            name = json.loads(path.read_text(encoding="utf-8"))["metadata"]["kernelspec"]["name"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(name, str):
            yield name


def _is_disabled(name: str, folder: Path) -> bool:
    try:
        said = json.loads((folder / "labconfig" / "page_config.json").read_text(encoding="utf-8"))["disabledExtensions"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return name in said if isinstance(said, list) else bool(isinstance(said, dict) and said.get(name))
