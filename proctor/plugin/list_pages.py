"""nbgrader's pages of lists, made so that a name is text wherever it comes from: an address, a roster, a student.

nbgrader writes names into its pages and scripts as they are, so that a link with a made-up name of an assignment runs
whatever it likes with the rights of whoever follows it. Here its templates are read with names quoted for the place in
which they stand, pages run no script but the templates' own, and answers to scripts are no pages.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import BaseLoader, Environment, FileSystemLoader
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.server_extensions.formgrader.base import BaseApiHandler, BaseHandler

# A variable that a script of a template begins with.
_IN_A_SCRIPT = re.compile(r'= "\{\{ (\w+) \}\}";')
_HANDLER = re.compile(r' on\w+="([^"{]*)"')
_NONCE = "proctor_nonce"
# As its name says, no browser draws it; nbgrader's scripts read it as JSON, as they read what nbgrader sends.
_NO_PAGE = "text/plain; charset=utf-8"


class _Quoting(FileSystemLoader):
    """nbgrader's templates: names in scripts are JSON, and scripts have the page's password."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The text of a template, and what `BaseLoader` wants beside it."""
        text, path, current = super().get_source(environment, template)
        text = _IN_A_SCRIPT.sub(r"= {{ \1 | tojson }};", text)
        return text.replace("<script", f'<script nonce="{{{{ {_NONCE} }}}}"'), path, current


@cache
def _templates() -> Environment:
    loader: BaseLoader = _Quoting(handlers.template_path)
    return Environment(loader=loader, autoescape=True)


@cache
def _hashes() -> str:
    """What a policy says of the words that stand in the templates for the browser to run."""
    environment = _templates()
    names = [name for name in environment.list_templates() if name.endswith(".tpl")]
    words = {one for name in names for one in _HANDLER.findall(environment.loader.get_source(environment, name)[0])}
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in words)


def _render(self: BaseHandler, name: str, **names: Any) -> str:
    nonce = secrets.token_urlsafe(18)
    policy = (
        f"script-src 'nonce-{nonce}' 'unsafe-hashes' {_hashes()}; object-src 'none'; base-uri 'none'; "
        "form-action 'self'"
    )
    self.set_header("Content-Security-Policy", f"{self.content_security_policy}; {policy}")
    return _templates().get_template(name).render(**names, **{_NONCE: nonce})


def _no_page(self: BaseApiHandler) -> None:
    super(BaseApiHandler, self).set_default_headers()
    self.set_header("Content-Type", _NO_PAGE)


def quote_names() -> None:
    """Change nbgrader's handlers of this server process; once is enough, and more does nothing."""
    BaseHandler.render = _render
    BaseApiHandler.set_default_headers = _no_page
