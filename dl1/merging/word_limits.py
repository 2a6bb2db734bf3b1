"""How many words an answer has, and how many it may have: "*Your answer to 2.1 (a), at most 200 words:*"."""

from __future__ import annotations

import re

_LIMIT = re.compile(r"\bat most ([1-9]\d{0,4}) words\b", re.IGNORECASE)
# What counts as one word, and what as none.
_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$|\\begin\{(\w+\*?)\}.+?\\end\{\1\}", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)|<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\[([^\]\n]*)\]\([^)\n]*\)")


def word_limit(released: str) -> int | None:
    """The most words that an answer may have, by the first line of its cell as it was given out; None if all may be."""
    found = _LIMIT.search(released.strip().partition("\n")[0])
    return int(found.group(1)) if found else None


def count_words(text: str, heading: str = "") -> int:
    """Words of an answer: what stands between blanks and has a letter or digit in it; a formula is one word.

    Args:
        heading: line with which the cell was given out; it doesn't count.
    """
    lines = [line for line in text.split("\n") if not heading or line.strip() != heading.strip()]
    text = _PICTURE.sub(" ", "\n".join(lines))
    text = _LINK.sub(r"\1", _FORMULA.sub(" formula ", text))
    return sum(any(character.isalnum() for character in word) for word in text.split())
