"""Formulas as MathML, which browsers draw by themselves: a feedback page has to be readable without a network."""

from __future__ import annotations

import re

import latex2mathml.converter

MAX_FORMULA = 4_000
# Code stays as it is; then displayed formulas, then those in a line, as Jupyter finds them.
_PARTS = re.compile(
    r"(?P<code>^(?:```|~~~).*?^(?:```|~~~)[^\n]*$|``.*?``|`[^`\n]*`)"
    r"|\$\$(?P<block>.+?)\$\$"
    r"|(?<![\\$\w])\$(?P<line>[^\s$](?:[^$\n]|\n(?!\n))*?)(?<!\s)\$(?![\w$])",
    re.DOTALL | re.MULTILINE,
)
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)((?:\s[^<>]*?)?)\s*/?>")
_TAGS = {
    "math",
    "mrow",
    "mi",
    "mn",
    "mo",
    "ms",
    "mtext",
    "mspace",
    "msup",
    "msub",
    "msubsup",
    "mfrac",
    "msqrt",
    "mroot",
    "mover",
    "munder",
    "munderover",
    "mtable",
    "mtr",
    "mtd",
    "mstyle",
    "mpadded",
    "mphantom",
    "menclose",
    "mfenced",
}
_ATTRIBUTE = re.compile(r"\s+[a-z]+=\"[\w .%#:/-]*\"")


def with_mathml(markdown: str) -> str:
    """Markdown with its formulas as MathML; a formula that can't be converted stays as it is."""
    return _PARTS.sub(_converted, markdown)


def _converted(match: re.Match) -> str:
    formula = match["block"] or match["line"]
    if formula is None or len(formula) > MAX_FORMULA:
        return match[0]
    try:
        made = latex2mathml.converter.convert(_latex(formula), display="block" if match["block"] else "inline")
    # The converter raises many kinds for formulas that it does not know.
    except Exception:
        return match[0]
    return _one_line(made) if _harmless(made) else match[0]


def _latex(formula: str) -> str:
    # What `proctor.pages.sanitise` has made of a student's text.
    return formula.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _one_line(made: str) -> str:
    # An empty line would end the HTML for markdown, and these characters would be read as its own.
    made = " ".join(made.split())
    return (
        made.replace("*", "&#42;")
        .replace("_", "&#95;")
        .replace("`", "&#96;")
        .replace("$", "&#36;")
        .replace("[", "&#91;")
        .replace("]", "&#93;")
    )


def _harmless(made: str) -> bool:
    rest = _TAG.sub("", made)
    if "<" in rest or ">" in rest:
        return False
    return all(
        tag[2] in _TAGS
        and not _ATTRIBUTE.sub("", tag[3].replace('xmlns="http://www.w3.org/1998/Math/MathML"', "")).strip()
        for tag in _TAG.finditer(made)
    )
