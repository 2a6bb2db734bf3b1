"""The one exception class of this package."""


class ProctorError(Exception):
    """A mistake that staff can correct; the message says what to do next and is shown without a traceback."""
