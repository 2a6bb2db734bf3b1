"""`python -m deploy.bundle`, which `make bundle` runs once it has built the wheel: puts the archive together."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.bundle.archive import BundleError, write

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if the archive was written, else 1."""
    parser = argparse.ArgumentParser(prog="make bundle ARGS=…", description="One archive with all that a student needs")
    parser.add_argument("--assignment", default="assignment2", help="of release/ (default: %(default)s)")
    parser.add_argument("--cpu-index", metavar="URL", help="where PyTorch's builds for CPUs are")
    parser.add_argument("--to", type=Path, default=ROOT / "dist", help="folder for the archive (default: dist/)")
    given = parser.parse_args(arguments)
    try:
        print(write(ROOT, given.assignment, given.to, given.cpu_index))
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
