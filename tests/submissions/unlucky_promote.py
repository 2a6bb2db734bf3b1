"""Two students who make one mistake, which the catalogue doesn't have: it is counted as one."""

from __future__ import annotations

from exercise import Case, Handed

# What `unknown-mistake` answers, in other words.
_ALIKE = """\
def double(number):
    thousands = number // 1000
    return number + number + thousands
"""


def _alike(handed: Handed) -> None:
    handed.answer("q1_double", _ALIKE)
    handed.write()


CASES = [
    Case("answers-alike", "a mistake that the catalogue doesn't have, as another student makes it in other words", _alike, (0, 2, 2), ("A hidden check failed",), ("What went wrong looks like",)),  # noqa: E501
]  # fmt: skip
