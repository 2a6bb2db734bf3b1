"""Formulas as MathML, which browsers draw by themselves: pages have to be readable without a network.

What the converter makes of a formula is a tree. It is written out by Python's XML serialiser, so that a text in it
stays a text, and only if all its elements, attributes and their values are known ones.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

import latex2mathml.converter

MAX_FORMULA = 20_000
MAX_ELEMENTS = 5_000


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
_DOUBLE = {str(digit): chr(0x1D7D8 + digit) for digit in range(10)}
# Environments that it does not know, by those that look the same. It would number equations from 1 in each formula.
_SAME = {
    **_each("align aligned alignat alignat* alignedat eqnarray eqnarray* flalign flalign*", "align*"),
    **_each("gather gather* gathered multline multline*", "matrix"),
    **_each("dcases rcases", "cases"),
}
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+\*?)\}(\s*\{\d+\})?(?:\s*\[[tbc]\])?")
_WRAPPER = re.compile(r"\\(?:begin|end)\s*\{(?:equation|displaymath|math)\*?\}|\\(?:nonumber|notag)(?![A-Za-z])")
_LABEL = re.compile(r"\\label\s*\{[^{}]{0,200}\}")
# TeX leaves out what stands behind it in the line.
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%")
_TOKEN = re.compile(r"\\begin\s*\{|\\end\s*\{|\\\\|\\.|[{}&]", re.DOTALL)
# A macro may hide what it stands for: a formula that makes one is shown as it was written.
_DEFINITION = re.compile(r"\\(?:(?:re|provide)?newcommand|(?:re)?newenvironment|[gex]?def|let|DeclareMathOperator)\b")
_BRACED = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_MACRO = re.compile(
    rf"\\(?:re|provide)?newcommand\s*(?:\{{\\[A-Za-z]+\}}|\\[A-Za-z]+)(?:\[\d\])?{_BRACED}|\\def\s*\\[A-Za-z]+(?:#\d)*{_BRACED}"
)
_MAX_MACROS = 2_000


def macros(formula: str) -> str:
    """What a formula defines for those behind it, as far as the converter knows such definitions."""
    return "".join(_MACRO.findall(formula))[:_MAX_MACROS]


def mathml(formula: str, display: bool, known: str = "") -> str | None:
    """MathML of a formula in TeX, in one line; None if it can't be drawn with all that it says.

    Args:
        display: whether it stands in a line of its own.
        known: macros of formulas before it.
    """
    if len(formula) > MAX_FORMULA or not formula.strip() or _DEFINITION.search(formula):
        return None
    try:
        root = latex2mathml.converter.convert_to_element(
            known + _known(formula, display), display="block" if display else "inline"
        )
        return _written(root)
    except MemoryError:
        raise
    # The converter raises many kinds for formulas that it does not know.
    except Exception:
        return None


def _known(formula: str, display: bool) -> str:
    """The formula in what the converter knows of TeX."""
    formula = _COMMENT.sub(r"\1\%", _LABEL.sub("", _WRAPPER.sub("", formula)))

    def same(match: re.Match) -> str:
        which, name, number = match.groups()
        number = "" if name.startswith("aligned") or name.startswith("alignat") else number or ""
        return rf"\{which}{{{_SAME.get(name, name)}}}{number}"

    if "eqnarray" in formula:
        formula = formula.replace("&=&", "&=")
    formula = _ENVIRONMENT.sub(same, formula).strip()
    return _in_rows(formula) if display else formula


def _in_rows(formula: str) -> str:
    """A formula with line ends of its own, as a table: browsers break no lines in formulas."""
    depth, rows, columns = 0, False, False
    for match in _TOKEN.finditer(formula):
        token = match[0]
        if token[0] == "{" or token.startswith("\\begin"):
            depth += 1
        elif token[0] == "}" or token.startswith("\\end"):
            depth -= 1
        # The brace of an environment's name is part of the token.
        if token.startswith(("\\begin", "\\end")):
            depth += 1
        rows = rows or (token == "\\\\" and depth == 0)
        columns = columns or (token == "&" and depth == 0)
    if not rows and not columns:
        return formula
    return rf"\begin{{align*}}{formula}\end{{align*}}" if columns else rf"\begin{{array}}{{l}}{formula}\end{{array}}"


def _written(root: ElementTree.Element) -> str | None:
    """The tree in one line, since an empty one ends HTML for markdown; None if there is something unknown in it."""
    for number, element in enumerate(root.iter()):
        if number >= MAX_ELEMENTS or element.tag not in _ELEMENTS:
            return None
        for name, value in element.attrib.items():
            if name not in _ALLOWED or not _ALLOWED[name].match(value):
                return None
        # Columns of an environment that the converter does not know; a character of the formula's is a reference here.
        if element.text == "&":
            return None
        element.text, element.tail = _text(element.text), _text(element.tail)
        # A command that it does not know.
        if element.tag in ("mi", "mo") and element.text and re.match(r"\\[A-Za-z]", element.text):
            return None
        if element.tag == "mtext" and element.text:
            element.text = _ESCAPED.sub(r"\1", element.text)
        if element.attrib.get("mathvariant") == "double-struck" and element.text:
            element.text = "".join(_DOUBLE.get(one, one) for one in element.text)
    return " ".join(ElementTree.tostring(root, encoding="us-ascii").decode().split())


def _text(text: str | None) -> str | None:
    if text is None:
        return None
    text = _CHARACTER.sub(lambda match: chr(int(match[1], 16) if match[1] else int(match[2])), text)
    if any(ord(one) < 32 and one not in "\t\n" or 0xD800 <= ord(one) < 0xE000 for one in text):
        raise ValueError("a character that XML does not have")
    return text
