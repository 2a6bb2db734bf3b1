"""HTML of what a student is told about a submission: the summary on a page, and the list of a submission's pages.

Every text is escaped, whoever wrote it. The pages hold no script, and load nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from jinja2 import DictLoader, Environment, StrictUndefined

from proctor.pages import report as words
from proctor.pages.frame import POLICY
from proctor.pages.report import NotebookReport, Part, Question, Report
from proctor.pages.style import STYLE

INDEX = "index"

# Around what stands in its blocks; also for pages of the staff.
DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta http-equiv="Content-Security-Policy" content="{{ policy }}"/>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{{ title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<header><h1>{{ title }}</h1>{% block under %}{% endblock %}</header>
<main>
{% block main %}{% endblock %}
</main>
</body>
</html>
"""
_FACTS = """
<dl class="facts">
{% if report.handed_in %}<dt>Handed in</dt><dd>{{ report.handed_in }}</dd>{% endif %}
{% if report.late_seconds %}
<dt>Late by</dt><dd>{{ lateness(report.late_seconds) }} (due {{ report.due }}); {{ report.rule }}</dd>
{% endif %}
{% if notebook and notebook.penalty %}
<dt>Taken off here</dt><dd>{{ in_points(notebook.penalty) }}, of the points as they are now</dd>
{% endif %}
{% if notebook %}
<dt>What was graded</dt>
<dd>{% if notebook.digest %}the notebook file with the SHA-256 digest <span class="digest">{{ notebook.digest }}</span>
{%- else %}no file of this notebook was found{% endif %}</dd>
{% endif %}
</dl>
"""
_SUMMARY = """
<section class="summary" aria-labelledby="result">
<h2 id="result">Your result</h2>
<p class="total"><strong>{{ so_far(notebook.score, notebook.judged, notebook.total) }}</strong>
{%- if waiting(notebook) %}; {{ waiting(notebook) }}{% endif %}.</p>
<ul class="questions">
{% for one in notebook.questions %}
<li class="{{ kind(one) }}">
<span aria-hidden="true">{{ sign(one) }}</span>
<a href="#cell-{{ quote(first(one).cell) }}">{{ one.number }}{{ " " if one.number and one.title }}
{{- one.title or (first(one).cell if not one.number) }}</a>:
<span class="points">{{ points(one) }}</span> · <span class="state">{{ state(one) }}</span>
{% for part in one.parts if part.comment %}
{% if loop.first %}· <a href="#cell-{{ quote(part.cell) }}">a comment for you</a>{% endif %}
{% endfor %}
{% for part in one.parts if part.wrong %}
{% if loop.first %}<ul>{% endif %}
<li><a href="#cell-{{ quote(part.cell) }}">{{ part.wrong }}</a>{{ like(part) | safe }}</li>
{% if loop.last %}</ul>{% endif %}
{% endfor %}
</li>
{% endfor %}
</ul>
{% if notebook.accidents %}
<h3>What happened while it was graded</h3>
<ul>{% for line in notebook.accidents %}<li>{{ line }}</li>{% endfor %}</ul>
{% endif %}
{% include "facts" %}
</section>
"""
_LIKE = """
{% macro said(one) %}{{ one.hint }} <span class="quiet">({{ one.name }})</span>{% endmacro %}
{% if part.looks_like %}
<div class="like">
{% if part.looks_like | length == 1 %}
<p><strong>What went wrong looks like this:</strong> {{ said(part.looks_like[0]) }}</p>
{% else %}
<p><strong>What went wrong looks like one of these:</strong></p>
<ul>{% for one in part.looks_like %}<li>{{ said(one) }}</li>{% endfor %}</ul>
{% endif %}
</div>
{% endif %}
"""
_NOTEBOOKS = """
<ul class="questions">
{% for one in report.notebooks %}
<li class="{{ of_notebook(one) }}">
{% if one.name in pages %}<a href="{{ quote(one.name) }}.html">{{ one.title or one.name }}</a>
{%- else %}{{ one.title or one.name }} (no page yet){% endif %}:
<span class="points">{{ so_far(one.score, one.judged, one.total) }}</span>
{% if waiting(one) %}· <span class="state">{{ waiting(one) }}</span>{% endif %}
{% if one.penalty %}<br/>{{ in_points(one.penalty) }} taken off for lateness{% endif %}
{% if not one.digest %}<br/>No file of this notebook was found.{% endif %}
</li>
{% endfor %}
</ul>
"""
_LIST = """
<details class="summary">
<summary>All notebooks: {{ so_far(report.score, report.judged, report.total) }}
{%- if waiting(report) %}; {{ waiting(report) }}{% endif %}</summary>
{% include "notebooks" %}
</details>
"""
_INDEX = """{% extends "page" %}
{% block under %}
<p class="total"><strong>{{ so_far(report.score, report.judged, report.total) }}</strong>
{%- if waiting(report) %}; {{ waiting(report) }}{% endif %}.</p>
{% endblock %}
{% block main %}
<section aria-labelledby="notebooks">
<h2 id="notebooks">Notebooks</h2>
{% include "notebooks" %}
</section>
<section aria-labelledby="facts">
<h2 id="facts">What was handed in</h2>
{% include "facts" %}
</section>
{% endblock %}
"""
_SAID = """{% extends "page" %}
{% block main %}<p>{{ text }}</p>{{ summary | safe }}{% endblock %}
"""


def _first(question: Question) -> Part:
    """Where a link leads: to what is wrong, if anything is."""
    return next((part for part in question.parts if part.wrong), question.parts[0])


def _kind(question: Question) -> str:
    if question.state in (words.WAITING, words.NOT_JUDGED):
        return "open"
    return question.state if question.state in (words.PASSED, words.READ) else "failed"


def _of_notebook(notebook: NotebookReport) -> str:
    if notebook.open():
        return "open"
    return "failed" if any(_kind(one) == "failed" for one in notebook.questions) else "read"


def _sign(question: Question) -> str:
    return words.SIGNS.get(question.state, words.SIGNS[words.FAILED])


def _state(question: Question) -> str:
    return words.WORDS.get(question.state, question.state)


_ENVIRONMENT = Environment(
    loader=DictLoader(
        {
            **{"page": DOCUMENT, "facts": _FACTS, "summary": _SUMMARY, "index": _INDEX, "said": _SAID},
            **{"notebooks": _NOTEBOOKS, "list": _LIST},
        }
    ),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
_ENVIRONMENT.globals |= {
    "policy": POLICY,
    "style": STYLE,
    "lateness": words.lateness,
    "in_points": words.in_points,
    "so_far": words.so_far,
    "waiting": words.waiting,
    "first": _first,
    "kind": _kind,
    "of_notebook": _of_notebook,
    "sign": _sign,
    "points": words.of_question,
    "state": _state,
    "quote": lambda text: quote(text, safe=""),
}
_TEMPLATE_LIKE = _ENVIRONMENT.from_string(_LIKE)


def like_html(part: Part) -> str:
    """HTML of the mistakes that an answer looks like; empty if there are none."""
    return _TEMPLATE_LIKE.render(part=part).strip()


def summary_html(report: Report, notebook: NotebookReport) -> str:
    """HTML of the summary on the page of a notebook."""
    return _ENVIRONMENT.get_template("summary").render(report=report, notebook=notebook, like=like_html)


def index_html(report: Report, pages: Collection[str]) -> str:
    """The list of a submission's pages.

    Args:
        pages: names of the notebooks of which there is one.
    """
    title = f"{report.assignment}: your feedback"
    return _ENVIRONMENT.get_template("index").render(report=report, pages=pages, title=title, notebook=None)


def with_list(page: str, report: Report, pages: Collection[str]) -> str:
    """A notebook's page with the list of all pages on top, folded; as it is if there is no other, or no place for it.

    Args:
        page: as it was drawn. Its first `main` stands before anything of a student's.
        pages: names of the notebooks whose pages lie beside it.
    """
    before, begin, after = page.partition("<main>")
    if not begin or len(report.notebooks) < 2:
        return page
    return before + begin + _ENVIRONMENT.get_template("list").render(report=report, pages=pages) + after


def said_html(title: str, text: str, summary: str) -> str:
    """A page in place of one that could not be drawn: what to do, and the summary.

    Args:
        summary: from `summary_html`, or empty.
    """
    return _ENVIRONMENT.get_template("said").render(title=title, text=text, summary=summary)
