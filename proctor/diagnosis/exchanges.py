"""What each test cell asked an answer, and what came back: all that a diagnosis knows of a submission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from proctor.checking.questions import checked_answer

Ask = Callable[[str, dict[str, Any], bytes], tuple[dict[str, Any], bytes]]
# Of one test cell, and of a notebook; what goes beyond is not looked at again.
_MAX_BYTES, _MAX_BYTES_OF_ALL = 16 * 2**20, 64 * 2**20


class Exchange(NamedTuple):
    """A question to student code with its encoded arguments, and the answer's header and encoded value."""

    question: dict[str, Any]
    given: bytes
    answer: dict[str, Any]
    value: bytes


class Recording:
    """Carries questions, and keeps a copy of what went to and fro.

    Args:
        ask: carries a question: (grade_id, header, encoded arguments) -> (header, encoded value).
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._kept: dict[str, list[Exchange]] = {}
        self._bytes: dict[str, int] = {}
        self._of_all = 0
        self._too_large: set[str] = set()

    def ask(self, grade_id: str, question: dict[str, Any], given: bytes) -> tuple[dict[str, Any], bytes]:
        """Carry one question."""
        copied = dict(question)
        answer, value = self._ask(grade_id, question, given)
        checked, value_kept = checked_answer(answer, value)
        size = len(given) + len(value_kept)
        self._bytes[grade_id] = self._bytes.get(grade_id, 0) + size
        if self._bytes[grade_id] <= _MAX_BYTES and self._of_all + size <= _MAX_BYTES_OF_ALL:
            self._of_all += size
            self._kept.setdefault(grade_id, []).append(Exchange(copied, given, checked, value_kept))
        else:
            self._too_large.add(grade_id)
        return answer, value

    def of(self, grade_id: str) -> list[Exchange]:
        """All exchanges of a test cell; none if there were too many, or one was no proper answer."""
        kept = self._kept.get(grade_id, [])
        proper = all(one.answer["ok"] or "names" in one.answer for one in kept)
        return kept if proper and grade_id not in self._too_large else []
