"""Which pairs of students have answers that are more alike than those of others: a ranking, and no proof.

Each answer is cut into short runs of words, code with all names of the student's own as one word, so that renaming
hides nothing. What the course has given, and what many have written, counts for nothing; of the rest a run weighs the
more, the fewer have it (TF-IDF, by scikit-learn). So the one right way to write three lines is no likeness.
"""

from __future__ import annotations

import builtins
import functools
import io
import keyword
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy
from sklearn.feature_extraction.text import TfidfVectorizer

from proctor.plugin.answer_texts import Answers, Cell

# Words in a run: of code enough for a line, of prose for part of a sentence.
CODE_RUN, TEXT_RUN = 7, 5
# What more than this share of the students have written is common knowledge; in a small class, more than three.
_COMMON, _COMMON_AT_LEAST = 0.1, 3
# Whoever has fewer runs of the own than this can't be compared.
LEAST = 20
# Pairs that are told.
MOST = 200
_SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER, tokenize.NEWLINE}
_KNOWN = {*keyword.kwlist, *dir(builtins), "self"}

Run = tuple[Cell, tuple[str, ...]]


class Pair(NamedTuple):
    """Two students.

    Attributes:
        likeness: cosine of their weighted runs, from 0 to 1.
        shared: number of runs that both have and few others.
        cells: in which answers that is, with its share of the likeness, the largest first.
    """

    one: str
    other: str
    likeness: float
    shared: int
    cells: list[tuple[Cell, float]]


class Ranking(NamedTuple):
    """The pairs that are most alike, at most `MOST`; and who had too little of the own to compare."""

    pairs: list[Pair]
    left_out: list[str]
    compared: int


def ranking(found: Answers) -> Ranking:
    """Compare everybody with everybody."""
    runs = {student: _runs(answers, found) for student, answers in found.of.items()}
    having = Counter(run for own in runs.values() for run in set(own))
    most = max(_COMMON_AT_LEAST, _COMMON * len(runs))
    own = {student: [run for run in all_ if having[run] <= most] for student, all_ in runs.items()}
    compared = sorted(student for student, all_ in own.items() if len(set(all_)) >= LEAST)
    left_out = sorted(set(found.of) - set(compared))
    if len(compared) < 2:
        return Ranking([], left_out, len(compared))
    vectorizer = TfidfVectorizer(analyzer=own.__getitem__, sublinear_tf=True)
    weights = vectorizer.fit_transform(compared)
    alike = (weights @ weights.T).toarray()
    names = vectorizer.get_feature_names_out()
    firsts, seconds = numpy.triu_indices(len(compared), 1)
    order = numpy.argsort(-alike[firsts, seconds], kind="stable")[:MOST]
    pairs = []
    for first, second in zip(firsts[order], seconds[order], strict=True):
        likeness = float(alike[first, second])
        if likeness <= 0:
            break
        product = weights[first].multiply(weights[second]).tocoo()
        by_cell: dict[Cell, float] = defaultdict(float)
        for column, part in zip(product.coords[-1], product.data, strict=True):
            by_cell[names[column][0]] += float(part) / likeness
        cells = sorted(by_cell.items(), key=lambda one: (-one[1], one[0]))
        pairs.append(Pair(compared[first], compared[second], min(1.0, likeness), product.nnz, cells))
    return Ranking(pairs, left_out, len(compared))


def _runs(answers: Mapping[Cell, str], found: Answers) -> list[Run]:
    made: list[Run] = []
    for cell, text in answers.items():
        size = CODE_RUN if cell in found.code else TEXT_RUN
        words, given = (_words(one, cell in found.code) for one in (text, found.given[cell]))
        known = {given[start : start + size] for start in range(len(given) - size + 1)}
        parts = [words[start : start + size] for start in range(len(words) - size + 1)]
        made += [(cell, part) for part in parts if part not in known]
    return made


@functools.lru_cache(maxsize=100_000)
def _words(text: str, is_code: bool) -> tuple[str, ...]:
    return tuple(_code_words(text)) if is_code else tuple(re.findall(r"\w+", text.casefold()))


def _code_words(text: str) -> list[str]:
    """Tokens of Python, as far as they can be read; own names and texts count as one word each."""
    words: list[str] = []
    before = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in _SKIPPED:
                continue
            word = token.string
            if token.type == tokenize.NAME and word not in _KNOWN and before != ".":
                word = "name"
            elif token.type == tokenize.STRING:
                word = "text"
            elif token.type == tokenize.INDENT:
                word = "indent"
            elif token.type == tokenize.DEDENT:
                word = "dedent"
            words.append(word)
            before = token.string
    # What doesn't parse is compared up to there.
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass
    return words
