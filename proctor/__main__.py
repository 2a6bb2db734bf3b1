"""`python -m proctor COMMAND`: what staff do for grading that is no command of nbgrader's."""

from __future__ import annotations

import sys
from importlib import import_module

_COMMANDS = {
    "seal": ("proctor.plugin.seal", "SealApp", "ASSIGNMENT: write down what lies in the inbound folder"),
    "status": ("proctor.plugin.status", "StatusApp", "[ASSIGNMENT]: say how far a run of autograding is"),
    "mistakes": (
        "proctor.plugin.mistakes",
        "MistakesApp",
        "ASSIGNMENT: count the catalogued mistakes of all students; --promote",
    ),
    "report": ("proctor.plugin.report", "ReportApp", "ASSIGNMENT: a page on totals, questions, markers and what waits"),
    "similar": ("proctor.plugin.similar", "SimilarApp", "ASSIGNMENT: rank pairs by likeness; files for JPlag, Dolos"),
    "backup": ("proctor.plugin.backup", "BackupApp", "FOLDER: save gradebook, records, seals and settings there"),
    "restore": ("proctor.plugin.backup", "RestoreApp", "FILE: put back what backup has written"),
    "doctor": ("proctor.plugin.doctor", "DoctorApp", "look whether the course can be graded here"),
    "show": ("proctor.plugin.show", "ShowApp", "STUDENT [ASSIGNMENT]: points by question, and what waits for a TA"),
}


def main(words: list[str]) -> int:
    """Run a command; its exit status."""
    if not words or words[0] not in _COMMANDS:
        print("usage: python -m proctor COMMAND [--help]", file=sys.stderr)
        for name, (_, _, what) in _COMMANDS.items():
            print(f"  {name} {what}", file=sys.stderr)
        return 2
    module, name, _ = _COMMANDS[words[0]]
    getattr(import_module(module), name).launch_instance(words[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
