"""Byte pairs: the merges that are learned, exact round trips, and the comparison with characters."""

import re
from collections import Counter

import matplotlib.pyplot as plt
import pytest
import torch

from dl1.data.corpus import load_corpus
from dl1.errors import CourseError
from dl1.gpt.tokenizers import byte_pairs
from dl1.gpt.tokenizers.byte_pairs import BytePairTokenizer, compare_tokenizers, learn_merges

# Words and frequencies of the example in Sennrich, Haddow and Birch (2016), Algorithm 1, with a space before each.
EXAMPLE = " low" * 5 + " lower" * 2 + " newest" * 6 + " widest" * 3


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def tales() -> str:
    return load_corpus("tales").text


def merges_by_counting_anew(text: str, count: int) -> list[tuple[bytes, bytes]]:
    """The same by the definition: all pairs counted again after each merge."""
    words = Counter(tuple(bytes([value]) for value in word.encode()) for word in byte_pairs._WORD.findall(text))
    merges = []
    for _ in range(count):
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:], strict=False):
                pairs[pair] += times
        if not pairs or max(pairs.values()) < 2:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = Counter()
        for word, times in words.items():
            merged[tuple(byte_pairs._joined(list(word), best))] += times
        words = merged
    return merges


def test_the_papers_example():
    merges = learn_merges(EXAMPLE, 3)
    # "e s" and "s t" occur nine times each, then "es t"; all others less often.
    assert merges[:2] == [(b"e", b"s"), (b"es", b"t")]
    assert BytePairTokenizer(learn_merges(EXAMPLE, 50)).pieces(" lowest") == [" low", "est"]


def test_merges_are_those_of_the_definition(tales):
    assert learn_merges(tales[:6000], 120) == merges_by_counting_anew(tales[:6000], 120)
    repeated = "aaaa aaa aa abab banana " * 3
    assert learn_merges(repeated, 20) == merges_by_counting_anew(repeated, 20)


def test_learning_stops_where_no_pair_occurs_twice():
    merges = learn_merges("ab ab", 100)
    # " ab" and "ab" share "ab"; nothing else occurs twice.
    assert merges == [(b"a", b"b")]
    assert learn_merges("abc", 5) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "the king",
        "  two  spaces\n\n\tand\r\nlines \n",
        "‘Quotes’, snow_white 42 déjà-vu — \u00a0\u2028",
        "こんにちは 🐻‍❄️ e\u0301\0\x1c",
    ],
)
def test_any_text_comes_back_exactly(tales, text):
    tokenizer = BytePairTokenizer.from_text(tales[:5000], 100)
    ids = tokenizer.encode(text)
    assert ids.dtype == torch.int64
    assert ids.dim() == 1
    assert tokenizer.decode(ids) == tokenizer.decode(ids.tolist()) == text


def test_the_whole_corpus_comes_back_in_fewer_tokens(tales):
    tokenizer = BytePairTokenizer.from_text(tales, 200)
    ids = tokenizer.encode(tales)
    assert tokenizer.decode(ids) == tales
    assert int(ids.max()) < tokenizer.vocab_size == 456
    assert len(ids) < len(tales) / 1.5
    assert "".join(tokenizer.pieces(tales[:500])) == tales[:500]


def test_a_merge_applies_in_the_order_of_learning():
    # With "bc" learned first, "abc" is a + bc though "ab" was learned too.
    tokenizer = BytePairTokenizer([(b"b", b"c"), (b"a", b"b")])
    assert tokenizer.pieces("abc ab") == ["a", "bc", " ", "ab"]


def test_two_ways_to_one_piece_are_one_number():
    tokenizer = BytePairTokenizer([(b"a", b"b"), (b"b", b"c"), (b"ab", b"c"), (b"a", b"bc")])
    assert tokenizer.vocab_size == 259
    assert tokenizer.decode(tokenizer.encode("abc")) == "abc"


def test_a_part_of_a_character_is_shown_as_bytes():
    assert BytePairTokenizer([(b"\xe2", b"\x80")]).pieces("‘") == ["<e2 80>", "<98>"]
    assert BytePairTokenizer([]).decode([0xE2, 0x80, 97]) == "�a"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: learn_merges("", 5), "give a text that isn't empty"),
        (lambda: learn_merges("ab", -1), "0 or more"),
        (lambda: learn_merges("a\ud800", 1), "half of a character"),
        (lambda: BytePairTokenizer([]).decode([256]), "256 has no piece"),
        (lambda: BytePairTokenizer([]).decode([-1]), "from 0 to 255"),
        (lambda: BytePairTokenizer([]).decode(torch.zeros(1, 2, dtype=torch.int64)), "one row of whole numbers"),
        (lambda: compare_tokenizers("a", "b"), "give a longer one"),
        (lambda: compare_tokenizers("a b c d e f", "b", sizes=()), "sizes must be"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(call, words):
    with pytest.raises(CourseError, match=words):
        call()


def test_comparison_counts_tokens_and_characters(tales):
    sentence = "Once the old king <forgot> the key."
    comparison = compare_tokenizers(tales[:20_000], sentence, sizes=(0, 50, 300), shown=(300,))
    table = comparison.table
    assert list(table.index) == ["characters", *(f"byte pairs, {size} merges" for size in (0, 50, 300))]
    assert table["vocabulary"].tolist() == [len(set(tales[:20_000])), 256, 306, 556]
    assert table.loc["characters"].tolist()[1:] == [1.0, len(sentence)]
    rest = tales[18_000:20_000]
    assert table["characters per token"].iloc[1] == len(rest) / len(rest.encode())
    assert table["characters per token"].iloc[1:].is_monotonic_increasing
    assert list(comparison.pieces) == ["characters", "byte pairs, 300 merges"]
    assert all("".join(row) == sentence for row in comparison.pieces.values())
    assert table["tokens of the sentence"].iloc[-1] == len(comparison.pieces["byte pairs, 300 merges"])
    shown = comparison._repr_html_()
    assert shown.count('<span style="background') == sum(map(len, comparison.pieces.values()))
    assert "<forgot" not in shown
    assert re.search(r'<img alt="characters: vocabulary \d+, 1\.00 characters per token; [^"]+" .+base64,iVBOR', shown)
    assert not plt.get_fignums()
    assert re.search(r">␣the</span>", shown)
    assert f"({len(sentence)} tokens): O|n|c|e| |t" in repr(comparison)


def test_fewer_merges_than_asked_for_are_one_row():
    comparison = compare_tokenizers("ab ab ab ab ab ab ab", "ab", sizes=(0, 100, 1000))
    assert len(comparison.table) == 3


def test_plot_shows_the_table(tales):
    comparison = compare_tokenizers(tales[:10_000], "the key", sizes=(0, 50))
    (axis,) = comparison.plot().axes
    pairs, single = axis.lines
    assert pairs.get_xdata().tolist() == [256, 306]
    assert pairs.get_ydata().tolist() == comparison.table["characters per token"].iloc[1:].tolist()
    assert single.get_ydata().tolist() == [1.0]
    assert [text.get_text() for text in axis.texts] == ["0 merges", "50 merges"]
