"""The exceptions of the students' package."""


class CourseError(Exception):
    """Base class: something the reader can put right; the message says how.

    In a notebook it is shown as that message alone, without the frames of the kit's own code above it.
    """

    def _render_traceback_(self) -> list[str]:
        """Lines that IPython prints in place of a traceback (a hook that it looks up on the exception)."""
        return [f"{type(self).__name__}: {self}"]


class CheckFailed(CourseError, AssertionError):
    """A check found a difference.

    Attributes:
        name: what was checked, in words; the only text of a hidden check that a student may ever read.
        kind: one of :data:`dl1.contract.checks.KINDS`.
        rows: what a card shows of it, by label: expected, yours, inputs.
        answer: what the check has found, of the contract's types; None until the check knows.
        help: what to look at, for the reader; empty where only the kind is known.
    """

    def __init__(self, message: str, *, name: str, kind: str) -> None:
        super().__init__(message)
        self.name = name
        self.kind = kind
        self.rows: dict[str, str] = {}
        self.answer: object = None
        self.help = ""

    def _render_traceback_(self) -> list[str]:
        return [f"Check failed: {self}"]
