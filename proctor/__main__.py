"""`python -m proctor seal ASSIGNMENT`: what staff do for grading that is no command of nbgrader's."""

from __future__ import annotations

import sys


def main(words: list[str]) -> int:
    """Run a command; its exit status."""
    if not words or words[0] != "seal":
        print("usage: python -m proctor seal ASSIGNMENT [--no-keep] [--help]", file=sys.stderr)
        return 2
    from proctor.plugin.seal import SealApp

    SealApp.launch_instance(words[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
