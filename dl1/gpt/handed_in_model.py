"""A language model that was handed in: what its run claims, what its weights answer, and the loss measured by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from dl1.contract.cards import failure
from dl1.data.corpus import load_corpus
from dl1.errors import CourseError
from dl1.gpt.exported import FILE_NAME
from dl1.gpt.last_position_loss import last_position_loss, spread_positions
from dl1.gpt.runs import RECORD, load_run
from dl1.gpt.session import EXPERIMENT
from dl1.gpt.student_module import load_module
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.notebook.places import output_folder

CORPORA = {"Grimm": "grimm", "embedded tales": "tales"}

_BATCH = 128
_MOST_CHARACTERS = 1_000
# A text may have another edition's quotation marks than the one that the model has seen.
_PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "-"})
# Editions differ in a few characters beside these.
_LEAST_KNOWN = 0.99
_CURLY = str.maketrans({'"': "”", "'": "’"})


def claim() -> dict[str, Any]:
    """What the run beside the notebook says of itself, beside the student's code; ``problem`` is empty if it is usable.

    Raises:
        NotImplementedError: there is no run yet.
    """
    folder = output_folder() / "runs" / EXPERIMENT
    if not (folder / RECORD).exists():
        raise NotImplementedError(f"train the model first: there is no runs/{EXPERIMENT}/{RECORD} beside this notebook")
    try:
        run = load_run(folder)
        _model(run)
    except (CourseError, NotImplementedError) as error:
        return {"problem": str(error)}
    return {
        "problem": "",
        "corpus": run.corpus,
        "characters": run.characters,
        "block_size": run.config["block_size"],
        "validation_loss": float(run.validation_loss),
        "profile": run.profile,
    }


def next_logits(contexts: torch.Tensor) -> torch.Tensor:
    """Logits of the token after each context, (B, T) -> (B, V), by the weights and the module that were handed in.

    Raises:
        CourseError: one of them can't be used.
    """
    model = _model(load_run(output_folder() / "runs" / EXPERIMENT))
    with torch.no_grad():
        return torch.cat([model(part)[:, -1].float() for part in contexts.split(_BATCH)])


def measured_loss(
    ask: Callable[[torch.Tensor], Any], claimed: Mapping[str, Any], count: int, shift: float, text: str | None = None
) -> float:
    """The validation loss, in nats, of a model that is asked for one token at a time and never sees the answer.

    Args:
        ask: from contexts (B, T) to what should be the logits (B, V) of the next token: a probe.
        claimed: from :func:`claim`, or anything.
        count: positions in the text, evenly spread.
        shift: where they lie, from 0 to 1.
        text: to measure on; the end of the corpus that the run names, if left out.

    Raises:
        CheckFailed: the claim or the logits are none, or the run's characters are not those of the text.
        CourseError: the corpus is not where data is looked for.
    """
    tokenizer, block_size = _tokenizer(claimed), claimed["block_size"]
    if text is None:
        text = load_corpus(CORPORA[claimed["corpus"]]).split()[1]
    known = fitted(text, tokenizer.characters)
    # What a model can't write it would not be asked about either: of a text without its rare letters, the rest is easy.
    if len(known) < _LEAST_KNOWN * len(text):
        left_out = f"{1 - len(known) / len(text):.1%} of the text are others"
        _fail("wrong value", "the characters of the run", "those of the text that it was trained on", left_out)
    tokens = tokenizer.encode(known)

    def checked(contexts: torch.Tensor) -> torch.Tensor:
        logits = ask(contexts)
        shape = (len(contexts), tokenizer.vocab_size)
        if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != shape or not logits.is_floating_point():
            _fail("wrong shape", "logits of the model", f"a tensor {shape}", getattr(logits, "shape", type(logits)))
        if not torch.isfinite(logits).all():
            _fail("not finite", "logits of the model", "finite numbers", "infinite ones or NaN")
        return logits

    positions = spread_positions(len(tokens), block_size, count, shift)
    return last_position_loss(checked, tokens, positions, block_size, batch_size=2 * _BATCH)


def fitted(text: str, characters: str) -> str:
    """The text in the characters that a model knows: quotation marks exchanged where that helps, others left out."""
    known = set(characters)
    for table in (_PLAIN, _CURLY):
        text = "".join(c if c in known else c.translate(table) for c in text)
    return "".join(c for c in text if c in known)


def _model(run: Any) -> torch.nn.Module:
    module = load_module(output_folder() / FILE_NAME)
    try:
        model = module.GPT(module.GPTConfig(**run.config))
    except NotImplementedError:
        raise
    # Whatever the student's classes make of a config.
    except Exception as error:
        raise CourseError(
            f"{FILE_NAME} makes no model of the run's sizes ({type(error).__name__}: {error}): train with this one"
        ) from None
    run.put_into(model)
    return model.eval()


def _tokenizer(claimed: Mapping[str, Any]) -> CharTokenizer:
    characters, block_size = claimed.get("characters"), claimed.get("block_size")
    if claimed.get("corpus") not in CORPORA:
        _fail("wrong value", "the text that it was trained on", " or ".join(CORPORA), claimed.get("corpus"))
    if type(characters) is not str or not 1 < len(set(characters)) == len(characters) <= _MOST_CHARACTERS:
        _fail("wrong value", "the characters of the run", "each once", "something else")
    if type(block_size) is not int or not 1 <= block_size <= 1_024:
        _fail("wrong value", "the block size of the run", "1 to 1,024", block_size)
    return CharTokenizer(characters)


def _fail(kind: str, name: str, expected: Any, got: Any) -> None:
    raise failure(kind, name, expected, str(got)[:200])
