"""Students' names in the formgrader's lists: who has none is shown by the id, where nbgrader shows "None, None".

The lists are made by nbgrader's scripts in the browser; they are handed out with the line that makes a name changed.
The data stay as they are: a name that is not known must not come into the fields in which names are typed.
"""

from __future__ import annotations

import re
from pathlib import Path

from nbgrader.server_extensions.formgrader import handlers
from tornado.web import RequestHandler

SCRIPTS = ("manage_students", "manage_submissions", "gradebook_notebook_submissions")
_ROUTE = rf"/formgrader/static/js/({'|'.join(SCRIPTS)})\.js"
_LINE = re.compile(r"^(?P<start> *(?:var )?name = )last_name \+ \", \" \+ first_name;?$", re.MULTILINE)
# What is known of it, in nbgrader's order; a submission's model has its student beside its own id.
_NAME = (
    '[this.model.get("last_name"), this.model.get("first_name")].filter(Boolean).join(", ") || '
    'this.model.get("student") || this.model.get("id");'
)


class _Script(RequestHandler):
    """Hands out one of nbgrader's scripts; as open as those are."""

    def get(self, name: str) -> None:
        """Write the script."""
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.write(script(name))


def name_by_id() -> None:
    """Change what servers of this process hand out from now on; once is enough, and more does nothing."""
    if (_ROUTE, _Script) not in handlers.default_handlers:
        handlers.default_handlers.insert(0, (_ROUTE, _Script))


def script(name: str) -> str:
    """A script of nbgrader's lists; as it is if nbgrader makes names in another way.

    Args:
        name: of the file, without its ending.
    """
    text = (Path(handlers.static_path) / "js" / f"{name}.js").read_text(encoding="utf-8")
    return _LINE.sub(lambda found: found["start"] + _NAME, text)
