"""What grading again would change, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proctor.intake.copier import printable
from proctor.plugin.regrade_apply import Planned
from proctor.plugin.regrade_changes import Change

_MAX = 300


def preview_lines(
    assignment: str, planned: Mapping[str, Planned], skipped: Mapping[str, str], same: int, head: str = ""
) -> Iterator[str]:
    """All of it.

    Args:
        planned: by student.
        skipped: who was not looked at, and why.
        same: for how many submissions nothing has changed by which they are graded.
        head: words for the first line.
    """
    fine = {name: one for name, one in planned.items() if not one.decision.trouble}
    points = {name: one for name, one in fine.items() if one.decision.changes}
    reasons = sorted({reason for one in planned.values() for reason in one.looked.reasons})
    why = f" ({'; '.join(reasons)})" if reasons else ""
    yield f"{assignment}: {head or _graded(len(planned))}{why}"
    if not planned:
        yield "nothing to do: what they were graded with is what there is now"
    if points:
        yield f"{len(points)} {'gets' if len(points) == 1 else 'get'} other points:"
        rows = [(printable(name), change) for name, one in sorted(points.items()) for change in one.decision.changes]
        width = max(len(name) for name, _ in rows)
        for name, change in rows:
            yield f"  {name:{width}}  {_said(change)}"
        yield from _by_question([change for _, change in rows])
    worded = [name for name, one in fine.items() if name not in points and one.stored]
    if worded:
        yield f"{len(worded)} with the same points and another text: {', '.join(map(printable, sorted(worded)))}"
    rest = len(fine) - len(points) - len(worded)
    if rest:
        yield f"{rest} as they were: same points, same verdicts"
    if same:
        yield f"{same} not graded again: nothing has changed for them"
    for name, one in sorted(planned.items()):
        if one.decision.trouble:
            yield f"not to be stored: {printable(name)}: {printable(one.decision.trouble, _MAX)}"
    for name, why in sorted(skipped.items()):
        yield f"left out: {printable(name)}: {printable(why, _MAX)}"


def _graded(number: int) -> str:
    return f"{number} {'submission was' if number == 1 else 'submissions were'} graded again, beside the course"


def _said(change: Change) -> str:
    question = change.cell if change.question == change.cell else f"{change.question} ({change.cell})"
    points = f"{change.before:g} → {change.after:g} of {change.most:g}"
    if change.kept:
        points += ", which is not taken"
    if change.hand is not None:
        points += f" by the check; the {change.hand:g} typed by hand stay, and wait for a second look"
    now = f"; now: {printable(change.now, _MAX)}" if change.now else ""
    return f"{question}  {points}  {printable(change.why, _MAX)}{now}"


def _by_question(changes: list[Change]) -> Iterator[str]:
    for question in sorted({change.question for change in changes}):
        gains = [change.gain for change in changes if change.question == question]
        more, less = [one for one in gains if one > 0], [one for one in gains if one < 0]
        words = [f"{len(more)} × more, {sum(more):+g} points in all"] if more else []
        words += [f"{len(less)} × less, {sum(less):+g} points in all"] if less else []
        if words:
            yield f"{question}: {'; '.join(words)}"
