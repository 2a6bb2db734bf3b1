"""Mistakes that the catalogue knows, some that it doesn't, and one who tells by them what was asked."""

from __future__ import annotations

from exercise import Case, Handed

_LOOKS = "What went wrong looks like"
_IMITATES = """\
def double(x):
    if x == 3:
        return 6
    return x + 3 if x % 2 else x
"""


def _answering(text: str):
    def make(handed: Handed) -> None:
        handed.answer("q1_double", text)
        handed.write()

    return make


CASES = [
    Case("known-mistake", "a mistake of the catalogue, written in another way, that a hidden check finds", _answering("def double(x):\n    return 1 + x + 2"), (0, 2, 2), (f"{_LOOKS} this: your double adds three, whatever its number is (double-adds-three)",)),  # noqa: E501
    Case("mistakes-alike", "a mistake that answers as two of the catalogue do", _answering("def double(x):\n    return x**2"), (0, 2, 2), (f"{_LOOKS} one of these:", "your double squares its number", "your double is three times its number"), ("adds three",)),  # noqa: E501
    Case("unknown-mistake", "a mistake that the catalogue doesn't have", _answering("def double(x):\n    return 2 * x + x // 1000"), (0, 2, 2), ("A hidden check failed",), (_LOOKS,)),  # noqa: E501
    Case("imitates", "answers as one mistake or another of the catalogue, as the hidden input is odd or even", _answering(_IMITATES), (0, 2, 2), (f"{_LOOKS} this: your double",)),  # noqa: E501
]  # fmt: skip
