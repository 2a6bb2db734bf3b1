"""A student's text as it is stored where others look at it: harmless in every program that draws markdown.

Nothing is taken away, so that what was written can be had back. `proctor.pages.drawing` does so, and nobody else: it
draws what comes out with rules for students' texts. JupyterLab, nbconvert and nbgrader's own pages draw what is stored.
"""

from __future__ import annotations

import re

# Commands of MathJax that make links, set attributes, or load more of it.
_COMMANDS = (
    "href|url|unicode|class|cssId|style|data|require|toggle|texttip|mathtip|action|newcommand|renewcommand|def|let"
    "|gdef|newenvironment|begingroup|bbox|color|textcolor|colorbox|fcolorbox|definecolor|htmlClass|htmlId|htmlStyle"
    "|htmlData|includegraphics|mmlToken"
)
# Markdown has more ways to make a link than can be listed: labels with brackets or over several lines, addresses that
# stand in a quote or a list. All need a closing bracket with one of three characters behind it, which stays together
# only in what is known to be harmless; nbconvert stops at an attachment that is not there. Ampersands too, so that no
# entity becomes a character of markup. What begins a quote stays.
_PLACES = re.compile(
    r"(?P<kept>(?<![!\\])\[[^\[\]\n<>&\\]{0,1000}+\]\((?:https?://|mailto:)[^\s\"'<>`\\()&]{1,2000}+\)"
    r"|(?<!\\)!\[[^\[\]\n<>&\\]{0,1000}+\]\(figures/[A-Za-z0-9_-]{1,100}+\.(?:svg|png|jpg)\)"
    r"|^(?:[ \t]{0,3}>)+)"
    rf"|\](?=[(\[:])|\\(?=(?:{_COMMANDS})(?![A-Za-z]))|[&<>]",
    re.IGNORECASE | re.MULTILINE,
)
_AS = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "]": "&#93;", "\\": "&#92;"}
_BACK = {stored: written for written, stored in _AS.items()}
_STORED = re.compile("|".join(_BACK))


def stored(text: str) -> str:
    """The text without HTML, links but to web and mail addresses, and pictures but the course's."""
    return _PLACES.sub(lambda match: match[0] if match["kept"] is not None else _AS[match[0]], text)


def as_written(text: str) -> str:
    """The text of which `stored` made this."""
    return _STORED.sub(lambda match: _BACK[match[0]], text)
