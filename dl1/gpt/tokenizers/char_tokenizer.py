"""Text as numbers, one for each character."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence

import torch

from dl1.errors import CourseError

# Four bytes a character, in this machine's order, so that a tensor can take them as numbers.
_CODES = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
_SHOWN_CHARACTERS, _NAMED_CHARACTERS = 120, 3


class CharTokenizer:
    """Numbers the characters of a vocabulary from 0, in the order of their code points.

    Attributes:
        characters: the vocabulary, sorted, each once: ``characters[i]`` has number i.

    Raises:
        CourseError: the vocabulary is empty, or no string.
    """

    def __init__(self, characters: str) -> None:
        _check_string(characters, "characters")
        if not characters:
            raise CourseError("a vocabulary of no characters is none: give a text that isn't empty")
        self.characters = "".join(sorted(set(characters)))
        codes = _code_points(self.characters)
        # By code point; -1 where there is no such character, the last for all that come after the largest.
        self._table = torch.full((int(codes[-1]) + 2,), -1)
        self._table[codes] = torch.arange(len(codes))

    @classmethod
    def from_text(cls, text: str) -> CharTokenizer:
        """The tokenizer whose vocabulary is all characters of a text.

        Raises:
            CourseError: the text is empty, or no string.
        """
        return cls(text)

    @property
    def vocab_size(self) -> int:
        return len(self.characters)

    def __repr__(self) -> str:
        return f"CharTokenizer({self.vocab_size} characters: {self._shown()})"

    def encode(self, text: str) -> torch.Tensor:
        """The numbers of a text's characters: (T,), int64, on the CPU.

        Raises:
            CourseError: a character is not in the vocabulary, or the text is no string.
        """
        _check_string(text, "text")
        codes = _code_points(text)
        ids = self._table[codes.clamp(max=len(self._table) - 1)]
        if (ids < 0).any():
            raise CourseError(self._unknown(text, int((ids < 0).nonzero()[0])))
        return ids

    def decode(self, ids: torch.Tensor | Sequence[int]) -> str:
        """The text of numbers.

        Args:
            ids: (T,), whole numbers from 0 to ``vocab_size`` - 1; a tensor may be on any device.

        Raises:
            CourseError: the numbers have another shape, are not whole, or one has no character.
        """
        try:
            ids = torch.as_tensor(ids)
        except (TypeError, ValueError, RuntimeError) as error:
            raise CourseError(f"decode takes a list or tensor of whole numbers ({error})") from None
        if ids.dim() != 1:
            raise CourseError(
                f"decode takes one row of numbers, of shape (T,), not {tuple(ids.shape)}: of a batch, decode ids[0]"
            )
        if not len(ids):
            return ""
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise CourseError(f"decode takes whole numbers, not {ids.dtype}: give the characters' numbers, not logits")
        ids = ids.long()
        wrong = (ids < 0) | (ids >= self.vocab_size)
        if wrong.any():
            place = int(wrong.nonzero()[0])
            raise CourseError(
                f"ids[{place}] is {int(ids[place])}, but the characters have the numbers 0 to {self.vocab_size - 1}: "
                "take the tokenizer that the numbers were made with"
            )
        return "".join([self.characters[number] for number in ids.tolist()])

    def _unknown(self, text: str, place: int) -> str:
        """Message about the unknown character at a place of the text, and about the others that follow it."""
        known = set(self.characters)
        others = [character for character in dict.fromkeys(text[place + 1 :]) if character not in known]
        others = [character for character in others if character != text[place]]
        also = ""
        if others:
            named = [repr(character) for character in others[:_NAMED_CHARACTERS]]
            rest = len(others) - len(named)
            also = f", nor {', '.join(named)}" + (f" and {rest:,} more" if rest else "")
        return (
            f"text[{place}] is {_described(text[place])}, which this tokenizer doesn't know{also}. It knows "
            f"{self.vocab_size} characters: {self._shown()}. Replace or remove others in the text; or make the "
            "tokenizer from a text that has them, with CharTokenizer.from_text, before the model is trained"
        )

    def _shown(self) -> str:
        more = "..." if self.vocab_size > _SHOWN_CHARACTERS else ""
        return repr(self.characters[:_SHOWN_CHARACTERS]) + more


def _code_points(text: str) -> torch.Tensor:
    """(T,), int64."""
    if not text:
        return torch.empty(0, dtype=torch.int64)
    # Half of a surrogate pair is a character to Python, and may be an unknown one here, never a crash.
    return torch.frombuffer(bytearray(text.encode(_CODES, "surrogatepass")), dtype=torch.int32).long()


def _described(character: str) -> str:
    """A character readably, even if it can't be seen."""
    name = unicodedata.name(character, "")
    # An accent on its own would sit on the quotation mark.
    shown = ascii(character) if unicodedata.combining(character) else repr(character)
    return f"{shown} (U+{ord(character):04X}{', ' if name else ''}{name})"


def _check_string(value: object, name: str) -> None:
    if not isinstance(value, str):
        raise CourseError(f"{name} must be a string, not {type(value).__name__}")
