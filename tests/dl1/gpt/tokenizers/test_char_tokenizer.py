import re

import pytest
import torch

from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer


@pytest.fixture
def tokenizer():
    return CharTokenizer.from_text("banana split\n")


def test_characters_are_sorted_and_each_is_there_once(tokenizer):
    assert tokenizer.characters == "\n abilnpst"
    assert tokenizer.vocab_size == 10
    assert CharTokenizer("tsb").characters == "bst"


def test_numbers_are_places_in_the_vocabulary(tokenizer):
    ids = tokenizer.encode("ban\n")
    assert ids.dtype == torch.int64
    assert ids.tolist() == [3, 2, 6, 0]


@pytest.mark.parametrize("text", ["nap", "", "\n", "pin a tail\n" * 5000])
def test_decoding_gives_the_text_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert ids.dtype == torch.int64
    assert ids.shape == (len(text),)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode(ids.tolist()) == text


def test_a_dictionary_gives_the_same_numbers():
    # All lengths in UTF-8 (1 to 4 bytes), a zero byte, half of a surrogate pair, the largest code point.
    text = "aé‘’€\U0001f600\0\ud800\U0010ffff\t\nz" * 3
    tokenizer = CharTokenizer.from_text(text)
    numbers = {character: number for number, character in enumerate(sorted(set(text)))}
    assert tokenizer.encode(text).tolist() == [numbers[character] for character in text]
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_numbers_are_a_tensor_of_their_own(tokenizer):
    ids = tokenizer.encode("ban")
    ids[:] = 0
    assert tokenizer.encode("ban").tolist() == [3, 2, 6]


def test_a_saved_vocabulary_makes_the_same_tokenizer(tokenizer):
    again = CharTokenizer(tokenizer.characters)
    assert again.characters == tokenizer.characters
    assert torch.equal(again.encode("split"), tokenizer.encode("split"))


def test_the_representation_shows_the_vocabulary(tokenizer):
    assert repr(tokenizer) == r"CharTokenizer(10 characters: '\n abilnpst')"
    many = repr(CharTokenizer("".join(map(chr, range(0x4E00, 0x5E00)))))
    assert many.startswith("CharTokenizer(4096 characters: '一")
    assert len(many) < 200
    assert many.endswith("...)")


@pytest.mark.parametrize(
    ("character", "described"),
    [
        ("é", "'é' (U+00E9, LATIN SMALL LETTER E WITH ACUTE)"),
        ("c", "'c' (U+0063, LATIN SMALL LETTER C)"),
        ("\t", r"'\t' (U+0009)"),
        ("\0", r"'\x00' (U+0000)"),
        ("\u200b", r"'\u200b' (U+200B, ZERO WIDTH SPACE)"),
        ("\xa0", r"'\xa0' (U+00A0, NO-BREAK SPACE)"),
        ("\u0301", r"'\u0301' (U+0301, COMBINING ACUTE ACCENT)"),
        ("\ud800", r"'\ud800' (U+D800)"),
        ("\U0010ffff", r"'\U0010ffff' (U+10FFFF)"),
    ],
)
def test_an_unknown_character_is_named_with_its_place(tokenizer, character, described):
    with pytest.raises(CourseError) as caught:
        tokenizer.encode(f"ban{character}a{character}")
    message = str(caught.value)
    assert message.startswith(f"text[3] is {described}, which this tokenizer doesn't know. It knows 10 characters: ")
    assert r"'\n abilnpst'" in message
    assert "CharTokenizer.from_text" in message


def test_other_unknown_characters_are_named_up_to_three(tokenizer):
    with pytest.raises(CourseError, match=r"^text\[1\] is 'x' .* doesn't know, nor 'y', 'z'\. It knows"):
        tokenizer.encode("axyxzy")
    with pytest.raises(CourseError, match=r"^text\[0\] is 'A' .* doesn't know, nor 'B', 'C', 'D' and 2 more\. It"):
        tokenizer.encode("ABCDEFab")


def test_a_large_vocabulary_is_not_listed_whole():
    tokenizer = CharTokenizer("".join(map(chr, range(0x4E00, 0x5E00))))
    with pytest.raises(CourseError) as caught:
        tokenizer.encode("a")
    assert "It knows 4096 characters" in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("wrong", [10, -1, 2**40])
def test_a_number_without_a_character_is_named_with_its_place(tokenizer, wrong):
    for ids in ([0, 9, wrong], torch.tensor([0, 9, wrong])):
        with pytest.raises(CourseError, match=rf"^ids\[2\] is {wrong}, but the characters have the numbers 0 to 9"):
            tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("ids", "shape"), [(torch.zeros(1, 4, dtype=torch.long), "(1, 4)"), (torch.tensor(3), "()"), (3, "()")]
)
def test_a_batch_is_not_decoded(tokenizer, ids, shape):
    with pytest.raises(CourseError, match=re.escape(f"not {shape}: of a batch, decode ids[0]")):
        tokenizer.decode(ids)


@pytest.mark.parametrize("ids", [[0.5], torch.zeros(3), [True]])
def test_what_is_not_whole_is_not_decoded(tokenizer, ids):
    with pytest.raises(CourseError, match="takes whole numbers, not torch"):
        tokenizer.decode(ids)


@pytest.mark.parametrize("ids", [None, "ban", ["b"], [[0], [0, 1]]])
def test_what_is_no_row_of_numbers_is_not_decoded(tokenizer, ids):
    with pytest.raises(CourseError, match="takes a list or tensor of whole numbers"):
        tokenizer.decode(ids)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_smaller_whole_numbers_are_decoded(tokenizer, dtype):
    assert tokenizer.decode(torch.tensor([3, 2, 6], dtype=dtype)) == "ban"


def test_an_empty_vocabulary_is_refused():
    with pytest.raises(CourseError, match="isn't empty"):
        CharTokenizer.from_text("")


@pytest.mark.parametrize("wrong", [b"ban", ["b", "an"], None])
def test_what_is_no_string_is_refused(tokenizer, wrong):
    with pytest.raises(CourseError, match=f"characters must be a string, not {type(wrong).__name__}"):
        CharTokenizer(wrong)
    with pytest.raises(CourseError, match=f"text must be a string, not {type(wrong).__name__}"):
        tokenizer.encode(wrong)
