"""The formgrader's page of a submission, drawn in a child in place of the server's own process and thread.

nbgrader's handler looks up the submission and says what to draw; only the drawing is done elsewhere, while the server
goes on serving. The page has the same template, so scores and comments are typed in as ever.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.base import check_notebook_dir, check_xsrf
from nbgrader.server_extensions.formgrader.handlers import SubmissionFilesHandler, SubmissionHandler
from tornado import web

from proctor.pages.limits import PageLimits
from proctor.pages.page import Page, draw_page, empty_page
from proctor.plugin.marking_handlers import answer_marking, only_question, scripts_of
from proctor.settings import Proctor

_MAX_FILE = 256 * 2**20
# The drawer does one page at a time; a second thread would wait for it.
_POOL = ThreadPoolExecutor(max_workers=1, thread_name_prefix="proctor-pages")
_INSTEAD = (
    "This submission could not be drawn; its points are as they were. Look at the notebook in a text editor, not in "
    "JupyterLab: {path}. To set a point all the same, leave the cells that are to blame out of that file and load this "
    "page again. If this happens to every submission, look at the server's log."
)
# What nbgrader's template writes as it is, though a student may have a say in it.
_NAMES = ("student", "last_name", "first_name", "notebook_path")
# What nbgrader's template runs from attributes.
_ATTRIBUTES = ("toggle_name(true);", "toggle_name(false);")
# Pages that were drawn: the next answer is drawn while somebody reads this one.
_KEPT: OrderedDict[tuple, Page] = OrderedDict()
_MAX_KEPT = 6
_SCRIPT_IN_BODY = "<script type=\"text/javascript\">\n  $('span.glyphicon.name-hidden')"


class _Asked(NamedTuple):
    filename: str
    resources: dict[str, Any]


class _Recorder:
    """Stands for the exporter in nbgrader's handler, and only keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: _Asked | None = None

    def from_filename(self, filename: str, resources: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Keep the request; the handler writes nothing yet."""
        self.asked = _Asked(filename, resources)
        return "", resources


def serve_pages() -> None:
    """Change nbgrader's handlers of this server process; once is enough, and more does nothing."""
    if "exporter" not in vars(SubmissionHandler):
        _draw_in_a_child()
    answer_marking(MarkPage)
    SubmissionFilesHandler.set_extra_headers = _as_attachment


def _draw_in_a_child() -> None:
    looked_up = SubmissionHandler.get

    async def get(self: SubmissionHandler, submission_id: str) -> None:
        # One handler serves one request.
        self.proctor_recorder = _Recorder()
        looked_up(self, submission_id)
        asked = self.proctor_recorder.asked
        if asked is None:
            return
        formgrader = self.settings["nbgrader_formgrader"]
        limits = Proctor(config=formgrader.config).page_limits()
        exporter = self.settings["nbgrader_exporter"]
        cell = getattr(self, "proctor_cell", "")
        page = await asyncio.get_running_loop().run_in_executor(_POOL, _drawn, asked, exporter.config, limits, cell)
        for line in page.notes:
            self.log.warning("%s", line)
        if not page.drawn:
            self.set_status(500)
        head, end, body = page.html.partition("</head>")
        scripts = scripts_of(self.base_url, {"cell": cell}) if page.drawn else ""
        made, policy = with_policy(f"{head}{scripts}{end}{body}")
        self.set_header("Content-Security-Policy", f"{self.content_security_policy}; {policy}")
        self.write(made)

    SubmissionHandler.get = get
    SubmissionHandler.exporter = property(lambda self: self.proctor_recorder)


class MarkPage(SubmissionHandler):
    """The page of a submission with one answer only."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    async def get(self, assignment: str, notebook: str, cell: str, submission_id: str) -> None:
        """Write the page."""
        try:
            found = self.gradebook.find_submission_notebook_by_id(submission_id)
            same = (found.assignment.assignment.name, found.notebook.name) == (assignment, notebook)
        except MissingEntry:
            same = False
        if not same:
            raise web.HTTPError(404, f"Invalid submission: {submission_id}")
        self.proctor_cell = cell
        await super().get(submission_id)


def _drawn(asked: _Asked, config: Any, limits: PageLimits, cell: str) -> Page:
    path = Path(asked.filename)
    title, instead = f"{asked.resources['student']}: {path.stem}", _INSTEAD.format(path=path)
    try:
        status = path.stat()
        if status.st_size > _MAX_FILE:
            return Page(empty_page(title, instead), [f"{path} has more than {_MAX_FILE >> 20} MiB"], False)
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return Page(empty_page(title, instead), [f"{path} can't be read ({error})"], False)
    # What nbconvert itself tells the template of the file.
    names = {name: escape(str(asked.resources[name])) for name in _NAMES if asked.resources.get(name)}
    resources = {**asked.resources, **names, "metadata": {"name": path.stem, "path": str(path.parent)}}
    known = json.dumps(resources, sort_keys=True, default=str)
    key = (path, status.st_mtime_ns, status.st_size, status.st_ino, known, limits, cell)
    page = _KEPT.pop(key, None)
    if page is None:
        shown = only_question(text, cell) if cell else text
        page = draw_page(title, shown, resources, config, limits, scripts=True, preprocess=True, instead=instead)
    if page.drawn:
        _KEPT[key] = page
        while len(_KEPT) > _MAX_KEPT:
            _KEPT.popitem(last=False)
    return page


def with_policy(made: str) -> tuple[str, str]:
    """A page whose own scripts have a password, and the policy by which a browser runs no others."""
    nonce = secrets.token_urlsafe(18)
    head, end, body = made.partition("</head>")
    head = head.replace("<script", f'<script nonce="{nonce}"')
    body = body.replace(_SCRIPT_IN_BODY, _SCRIPT_IN_BODY.replace("<script", f'<script nonce="{nonce}"', 1), 1)
    hashes = " ".join(f"'sha256-{_sha256(text)}'" for text in _ATTRIBUTES)
    policy = (
        f"script-src 'nonce-{nonce}' 'unsafe-hashes' {hashes}; object-src 'none'; base-uri 'none'; form-action 'self'"
    )
    return head + end + body, policy


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _as_attachment(self: SubmissionFilesHandler, path: str) -> None:
    """Files of submissions are handed out as downloads: an HTML file in them could run scripts.

    Pictures in a notebook are drawn all the same: these headers matter only when a file is opened by itself.
    """
    self.set_header("Content-Disposition", "attachment")
    self.set_header("X-Content-Type-Options", "nosniff")
    self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
