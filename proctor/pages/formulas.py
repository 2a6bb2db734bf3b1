"""Formulas as MathML, which browsers draw by themselves: a feedback page has to be readable without a network.

What the converter makes of a formula is a tree. It is written out by Python's XML serialiser, so that a text in it
stays a text, and only if all its elements, attributes and their values are known ones.
"""

from __future__ import annotations

import re
import string
from xml.etree import ElementTree

import latex2mathml.converter

MAX_FORMULA = 4_000
MAX_ELEMENTS = 3_000
# Code stays as it is; then displayed formulas, then those in a line, as Jupyter finds them.
_PARTS = re.compile(
    r"(?P<code>^(?:```|~~~).*?^(?:```|~~~)[^\n]*$|``.*?``|`[^`\n]*`)"
    r"|\$\$(?P<block>.+?)\$\$"
    r"|(?<![\\$\w])\$(?P<line>[^\s$](?:[^$\n]|\n(?!\n))*?)(?<!\s)\$(?![\w$])",
    re.DOTALL | re.MULTILINE,
)


def _each(names: str, pattern: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), pattern)


_ELEMENTS = _each(
    "math mrow mi mn mo ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mmultiscripts "
    "mprescripts none mtable mtr mlabeledtr mtd mstyle mpadded mphantom menclose mfenced",
    "",
)
_NUMBER = r"[+-]?\d{0,2}(?:\.\d{1,4})?"
_SPACES = r"(?:negative)?(?:very){0,2}(?:thin|medium|thick)mathspace"
# Short ones: a formula must not cover the page.
_LENGTH = rf"(?:{_NUMBER}(?:em|ex|px|pt|mu|%|width|height|depth)?|{_SPACES})"
_WORDS = r"[a-z]+(?:-[a-z]+)*(?: [a-z]+){0,30}"
_YES_OR_NO = "true|false"
_VALUES = {
    "xmlns": re.escape("http://www.w3.org/1998/Math/MathML"),
    "display": "block|inline",
    **_each("stretchy fence separator symmetric largeop movablelimits accent accentunder displaystyle", _YES_OR_NO),
    "form": "prefix|infix|postfix",
    "mathvariant": r"[a-z]+(?:-[a-z]+)*",
    "scriptlevel": r"[+-]?\d",
    "linebreak": _WORDS,
    "notation": _WORDS,
    "side": "left|right",
    **_each("columnalign rowalign columnlines rowlines frame", _WORDS),
    **_each(
        "lspace rspace minsize maxsize mathsize linethickness width height depth voffset",
        f"{_LENGTH}|thin|medium|thick",
    ),
    **_each("columnspacing rowspacing framespacing", rf"{_LENGTH}(?: {_LENGTH}){{0,30}}"),
    **_each("mathcolor mathbackground", r"[A-Za-z]{1,30}|#[0-9A-Fa-f]{3,8}"),
    **_each("open close separators", r"[()\[\]{}|,;.]?"),
}
_ALLOWED = {name: re.compile(rf"(?:{pattern})\Z") for name, pattern in _VALUES.items()}
# The converter writes its own characters in this way, and leaves it to whoever reads the page.
_CHARACTER = re.compile(r"&#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}));")
# Of a text in a formula it leaves TeX's backslashes.
_ESCAPED = re.compile(r"\\([_%&#${}])")
_TAG = re.compile(r"(<[^<>]*>)")
# Markdown would read these as its own. What begins and ends a reference to a character stays.
_INERT = str.maketrans({one: f"&#{ord(one)};" for one in string.punctuation if one not in "&#;<>"})


def with_mathml(markdown: str) -> str:
    """Markdown with its formulas as MathML; a formula that can't be converted stays as it is."""
    return _PARTS.sub(_converted, markdown)


def _converted(match: re.Match) -> str:
    formula = match["block"] or match["line"]
    if formula is None or len(formula) > MAX_FORMULA:
        return match[0]
    try:
        root = latex2mathml.converter.convert_to_element(
            _latex(formula), display="block" if match["block"] else "inline"
        )
        made = _written(root)
    except MemoryError:
        raise
    # The converter raises many kinds for formulas that it does not know.
    except Exception:
        return match[0]
    return match[0] if made is None else made


def _latex(formula: str) -> str:
    # What `proctor.pages.sanitise` has made of a student's text.
    return formula.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _written(root: ElementTree.Element) -> str | None:
    """The tree in one line, since an empty one ends HTML for markdown; None if there is something unknown in it."""
    for number, element in enumerate(root.iter()):
        if number >= MAX_ELEMENTS or element.tag not in _ELEMENTS:
            return None
        for name, value in element.attrib.items():
            if name not in _ALLOWED or not _ALLOWED[name].match(value):
                return None
        element.text, element.tail = _text(element.text), _text(element.tail)
        if element.tag == "mtext" and element.text:
            element.text = _ESCAPED.sub(r"\1", element.text)
    parts = _TAG.split(" ".join(ElementTree.tostring(root, encoding="us-ascii").decode().split()))
    return "".join(part if part.startswith("<") else part.translate(_INERT) for part in parts)


def _text(text: str | None) -> str | None:
    if text is None:
        return None
    text = _CHARACTER.sub(lambda match: chr(int(match[1], 16) if match[1] else int(match[2])), text)
    if any(ord(one) < 32 and one not in "\t\n" or 0xD800 <= ord(one) < 0xE000 for one in text):
        raise ValueError("a character that XML does not have")
    return text
