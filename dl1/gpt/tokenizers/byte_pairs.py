"""Byte-pair encoding (Sennrich, Haddow and Birch 2016, Algorithm 1), on bytes as in GPT-2, compared with characters."""

from __future__ import annotations

import base64
import html
import io
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure

from dl1.errors import CourseError

_BYTES = 256
# No piece goes over the end of a word. A space belongs to the word that follows it; every character is in some part.
_WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s")
_SHARE_FOR_LEARNING = 0.9
_CHARACTERS, _PREFIX = "characters", "byte pairs, "
# Dark on pale, and each with a border, so that colour is never alone; neighbours differ.
_COLOURS = ("#CFE8F7", "#FBE0C4", "#CDEBDD", "#F3D6E6")
_MARKS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}

Merge = tuple[bytes, bytes]


def learn_merges(text: str, count: int) -> list[Merge]:
    """The pairs that are joined, in this order: each time the most frequent pair of neighbours in the text.

    Pairs are counted once per different word and weighted with how often the word occurs; after a merge only the words
    that held the pair are counted again. Among equally frequent pairs the first by its bytes is taken.

    Args:
        text: to learn from.
        count: of merges; there are fewer when no pair is left that occurs twice.

    Raises:
        CourseError: the text is empty or no text, or the count is negative.
    """
    if count < 0:
        raise CourseError(f"count is {count}: give the number of merges, 0 or more")
    if not text:
        raise CourseError("there is nothing to learn from: give a text that isn't empty")
    frequencies = Counter(_WORD.findall(text))
    words = [_single_bytes(word) for word in frequencies]
    weights = list(frequencies.values())
    counts: Counter[Merge] = Counter()
    holders: defaultdict[Merge, set[int]] = defaultdict(set)
    for number, word in enumerate(words):
        for pair in zip(word, word[1:], strict=False):
            counts[pair] += weights[number]
            holders[pair].add(number)
    merges: list[Merge] = []
    while len(merges) < count and counts:
        most = max(counts.values())
        if most < 2:
            break
        best = min(pair for pair, times in counts.items() if times == most)
        merges.append(best)
        for number in holders.pop(best):
            before = words[number]
            words[number] = after = _joined(before, best)
            for pair in zip(before, before[1:], strict=False):
                counts[pair] -= weights[number]
                holders[pair].discard(number)
            for pair in zip(after, after[1:], strict=False):
                counts[pair] += weights[number]
                holders[pair].add(number)
            for pair in {*zip(before, before[1:], strict=False)}:
                if not counts[pair]:
                    del counts[pair]
        holders.pop(best, None)
    return merges


class BytePairTokenizer:
    """Numbers for pieces of text: first the 256 bytes, then what each merge makes, so that any text can be encoded.

    Attributes:
        merges: in the order in which they were learned.
        vocabulary: the pieces; ``vocabulary[i]`` has number i.
    """

    def __init__(self, merges: Sequence[Merge]) -> None:
        self.merges = list(merges)
        singles = [bytes([value]) for value in range(_BYTES)]
        # Two pairs may make the same piece, which then has one number.
        self.vocabulary = list(dict.fromkeys(singles + [left + right for left, right in self.merges]))
        self._numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._known: dict[str, list[bytes]] = {}

    @classmethod
    def from_text(cls, text: str, count: int = 500) -> BytePairTokenizer:
        """The tokenizer with so many merges, learned from a text.

        Raises:
            CourseError: as in :func:`learn_merges`.
        """
        return cls(learn_merges(text, count))

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        return f"BytePairTokenizer({_BYTES} bytes and {self.vocab_size - _BYTES:,} pieces)"

    def encode(self, text: str) -> torch.Tensor:
        """The numbers of a text's pieces: (T,), int64, on the CPU.

        Raises:
            CourseError: it is no text.
        """
        return torch.tensor([self._numbers[piece] for piece in self._split(text)], dtype=torch.int64)

    def decode(self, ids: torch.Tensor | Sequence[int]) -> str:
        """The text of numbers, exactly the one that was encoded; a � where bytes are no whole character.

        Args:
            ids: (T,), whole numbers from 0 to ``vocab_size`` - 1.

        Raises:
            CourseError: a number has no piece.
        """
        numbers = ids.tolist() if isinstance(ids, torch.Tensor) else list(ids)
        wrong = [number for number in numbers if not isinstance(number, int) or not 0 <= number < self.vocab_size]
        if wrong:
            raise CourseError(
                f"{wrong[0]!r} has no piece: decode takes one row of whole numbers from 0 to {self.vocab_size - 1}"
            )
        return b"".join(self.vocabulary[number] for number in numbers).decode(errors="replace")

    def pieces(self, text: str) -> list[str]:
        """A text's pieces, readably: a part of a character as its bytes, such as "<e2 80>".

        Raises:
            CourseError: it is no text.
        """
        return [_readable(piece) for piece in self._split(text)]

    def _split(self, text: str) -> list[bytes]:
        found: list[bytes] = []
        for word in _WORD.findall(text):
            if word not in self._known:
                self._known[word] = self._merged(_single_bytes(word))
            found += self._known[word]
        return found

    def _merged(self, word: list[bytes]) -> list[bytes]:
        """A word's pieces: the merges that apply to it, earliest first."""
        while len(word) > 1:
            first = min(zip(word, word[1:], strict=False), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if first not in self._ranks:
                break
            word = _joined(word, first)
        return word


@dataclass(frozen=True, repr=False)
class TokenizerComparison:
    """Characters beside byte pairs; as the last line of a cell it shows the sentence in pieces, and the plot.

    Attributes:
        table: a row per tokenizer, and the columns "vocabulary" (its size), "characters per token" (mean over a part
            of the text that nothing was learned from) and "tokens of the sentence".
        pieces: the sentence's, by the same names as the rows.
    """

    table: pd.DataFrame
    pieces: dict[str, list[str]]

    def __repr__(self) -> str:
        return "\n".join(f"{name} ({len(row)} tokens): {'|'.join(row)}" for name, row in self.pieces.items())

    def _repr_html_(self) -> str:
        rows = [
            f'<tr><th scope="row" style="text-align:left;vertical-align:top;white-space:nowrap">{html.escape(name)}'
            f'<br><span style="font-weight:normal">vocabulary {self.table["vocabulary"][name]:,}, {len(row)} tokens'
            f'</span></th><td style="text-align:left;line-height:2.1">{_coloured(row)}</td></tr>'
            for name, row in self.pieces.items()
        ]
        return f'<table style="max-width:60em"><tbody>{"".join(rows)}</tbody></table>{self._plot_html()}'

    def _plot_html(self) -> str:
        figure, buffer = self.plot(), io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        # Shown here, so the notebook need not show it once more at the end of the cell.
        plt.close(figure)
        points = [
            f"{name}: vocabulary {row['vocabulary']:,.0f}, {row['characters per token']:.2f} characters per token"
            for name, row in self.table.iterrows()
        ]
        code = base64.b64encode(buffer.getvalue()).decode()
        words = html.escape("; ".join(points))
        look = 'class="dl1-drawing" style="max-width:100%;height:auto"'
        return f'<img alt="{words}" {look} src="data:image/png;base64,{code}">'

    def plot(self) -> Figure:
        """Vocabulary size against the mean number of characters that a token stands for."""
        figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
        pairs = self.table.drop(index=_CHARACTERS)
        single = self.table.loc[_CHARACTERS]
        axis.plot(pairs["vocabulary"], pairs["characters per token"], "o-", color="#0072B2", label="byte pairs")
        axis.plot(
            single["vocabulary"], single["characters per token"], "s", color="#D55E00", markersize=8, label=_CHARACTERS
        )
        for name, row in pairs.iterrows():
            axis.annotate(
                str(name).removeprefix(_PREFIX),
                (row["vocabulary"], row["characters per token"]),
                xytext=(6, -11),
                textcoords="offset points",
                fontsize=8,
            )
        axis.set_xscale("log", base=2)
        axis.set(xlabel="size of the vocabulary", ylabel="characters per token (mean)", ylim=(0, None))
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.margins(x=0.2)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="lower right")
        axis.set_title("A larger vocabulary makes shorter sequences", fontsize=10)
        return figure


def compare_tokenizers(
    text: str,
    sentence: str,
    sizes: Sequence[int] = (0, 50, 100, 200, 500, 1000),
    shown: Sequence[int] = (100, 500),
) -> TokenizerComparison:
    """Characters and byte pairs with several numbers of merges: one sentence in pieces, and how long sequences get.

    Merges are learned from the first nine tenths of the text, sequences are measured on the rest.

    Args:
        text: such as that of :func:`dl1.data.corpus.load_corpus`.
        sentence: any; it need not be in the text.
        sizes: numbers of merges; where the text has fewer, the larger ones are left out.
        shown: those of the sizes with which the sentence is shown.

    Raises:
        CourseError: the text is too short, a text is no text, or there are no sizes.
    """
    if not sizes or min(sizes) < 0:
        raise CourseError("sizes must be numbers of merges, 0 or more, such as (0, 100, 500)")
    cut = round(len(text) * _SHARE_FOR_LEARNING)
    if not 0 < cut < len(text):
        raise CourseError(f"a text of {len(text)} characters is too short to learn from: give a longer one")
    merges = learn_merges(text[:cut], max(sizes))
    rest = text[cut:]
    rows = {_CHARACTERS: (len(set(text)), 1.0, len(sentence))}
    pieces = {_CHARACTERS: list(sentence)}
    # More merges than the text has would be the same tokenizer once more.
    for size in sorted({min(size, len(merges)) for size in sizes}):
        tokenizer = BytePairTokenizer(merges[:size])
        name = f"{_PREFIX}{size:,} merges"
        split = tokenizer.pieces(sentence)
        rows[name] = (tokenizer.vocab_size, len(rest) / len(tokenizer.encode(rest)), len(split))
        if size in shown:
            pieces[name] = split
    columns = ["vocabulary", "characters per token", "tokens of the sentence"]
    return TokenizerComparison(pd.DataFrame.from_dict(rows, orient="index", columns=columns), pieces)


def _single_bytes(word: str) -> list[bytes]:
    try:
        return [bytes([value]) for value in word.encode()]
    except UnicodeEncodeError as error:
        raise CourseError(
            f"{word[error.start]!a} is half of a character, which no text file can hold: read the text again, in UTF-8"
        ) from None


def _joined(word: list[bytes], pair: Merge) -> list[bytes]:
    """The word with every occurrence of the pair as one piece, from the left."""
    found: list[bytes] = []
    place = 0
    while place < len(word):
        if place + 1 < len(word) and word[place] == pair[0] and word[place + 1] == pair[1]:
            found.append(pair[0] + pair[1])
            place += 2
        else:
            found.append(word[place])
            place += 1
    return found


def _readable(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return f"<{piece.hex(' ')}>"


def _coloured(pieces: Sequence[str]) -> str:
    return "".join(
        f'<span style="background:{_COLOURS[number % len(_COLOURS)]};color:#111;border:1px solid #666;'
        f'border-radius:3px;padding:2px 1px;margin:0 1px;font-family:monospace;display:inline-block;line-height:1.2">'
        f"{html.escape(''.join(_MARKS.get(character, character) for character in piece))}</span>"
        for number, piece in enumerate(pieces)
    )
