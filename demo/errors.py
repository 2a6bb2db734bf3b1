"""The one exception class of this package."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do, and is shown without a traceback."""
