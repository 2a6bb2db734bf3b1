"""Release, hand in, grade and return one assignment, and compare the points with the expected ones."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from demo.errors import DemoError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; exit status 0 if every student got the expected points, 1 if not, 2 if it could not be finished."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--run-folder",
        type=Path,
        metavar="FOLDER",
        help="where everything is made; emptied first (default: demo/run in this checkout)",
    )
    options = parser.parse_args(arguments)
    # Ending it is like Ctrl-C: running commands are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _refuse_unsuitable_machine()
        print("One assignment from source to feedback, with three example students.", flush=True)
        # Not at the top: where the check above refuses, this import would end in a traceback.
        from demo.stages import run_demo

        return run_demo(options.run_folder)
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndemo: interrupted; start it again whenever you like, it begins afresh", file=sys.stderr)
        return 130


def _refuse_unsuitable_machine() -> None:
    if os.name == "nt":
        raise DemoError("nbgrader's exchange does not exist on Windows; run the demo on Linux or macOS, or in WSL")
    missing = [name for name in ("nbgrader", "dl1", "proctor") if not _installed(name)]
    if missing:
        raise DemoError(
            f"this Python has no {', '.join(missing)}; start the demo with `make demo`, which sets up .venv"
        )


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
