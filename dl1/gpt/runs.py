"""A run of the language model as it is kept under ``runs/`` and handed in: weights, record, curve.

What is read here was written by somebody else when a grader reads it, so its size and kind are checked first, and
nothing in it is executed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.notebook import runs
from dl1.notebook.places import write_whole

RECORD, WEIGHTS = "run.json", "model.safetensors"
MAX_BYTES = 100 * 10**6
_MAX_HEADER, _MAX_TENSORS, _MAX_POINTS = 2**20, 10_000, 100_000
_FLOATS = ("F16", "BF16", "F32")
# Largest sizes of a model that anybody would train in this course; others would only fill the memory.
_LIMITS = {"n_layer": 100, "n_head": 100, "n_embd": 4_096, "vocab_size": 100_000, "block_size": 8_192}
_CURVES = ("training loss", "validation loss")
_AGAIN = "delete the folder, then train again"
# What a file that torch.save or pickle wrote begins with.
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass
class Run:
    """What is known of a training; all but the last two is in ``run.json``, by the same names.

    Attributes:
        config: fields of GPTConfig, by name.
        corpus, corpus_sha256: name and checksum of the text.
        characters: of the tokenizer.
        profile: name of the profile, with what was changed.
        seed, batch_size, learning_rate: of the training.
        key: changes with whatever the result depends on, save the code of the model.
        device, dtype, attention, compiled, torch: what computed it, and how.
        steps, steps_planned: done, and to be done.
        kept_step: after which the weights were taken: where the curve's validation loss is smallest. In records that
            are older than this rule, the last step.
        tokens_seen: how many were predicted, over all steps.
        tokens_per_second: while training, without the time for measuring and keeping.
        wall_seconds: all in all.
        curve: "step", and at each the mean "training loss" since the one before and "validation loss", over all
            positions of a window, in nats.
        training_loss: of the curve, at the kept step.
        validation_loss: of the weights that are kept, by :func:`dl1.gpt.last_position_loss.last_position_loss` on the
            end of the text; in nats.
        validation_error: standard deviation of that loss over the choice of positions.
        date: of the end, ISO 8601, UTC.
        weights: by name.
        model: with these weights; None where only files were read.
    """

    config: dict[str, Any]
    corpus: str
    corpus_sha256: str
    characters: str
    profile: str
    seed: int
    batch_size: int
    learning_rate: float
    key: str
    device: str
    dtype: str
    attention: str
    compiled: bool
    torch: str
    steps: int
    steps_planned: int
    kept_step: int
    tokens_seen: int
    tokens_per_second: float
    wall_seconds: float
    curve: dict[str, list[float]]
    training_loss: float
    validation_loss: float
    validation_error: float
    date: str
    weights: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)
    model: nn.Module | None = field(default=None, repr=False)

    @property
    def is_finished(self) -> bool:
        return self.steps >= self.steps_planned

    @property
    def tokenizer(self) -> CharTokenizer:
        return CharTokenizer(self.characters)

    @property
    def note(self) -> str:
        """What a figure's title has to add, as " (quick profile, embedded tales)"; nothing for the whole experiment."""
        parts = [] if self.profile == "full" else [f"{self.profile} profile"]
        parts += [] if self.corpus == "Grimm" else [self.corpus]
        parts += [] if self.is_finished else [f"{self.steps:,} of {self.steps_planned:,} steps"]
        return f" ({', '.join(parts)})" if parts else ""

    def put_into(self, model: nn.Module) -> None:
        """Give a model the weights of the run, as they were kept: half precision.

        Raises:
            CourseError: names or shapes differ.
        """
        expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
        found = {name: tuple(weight.shape) for name, weight in self.weights.items()}
        wrong = [
            f"{name} is {found.get(name, 'missing')} in the file, {expected.get(name, 'unknown')} in the model"
            for name in sorted({*expected, *found})
            if expected.get(name) != found.get(name)
        ]
        if wrong:
            more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise CourseError(
                f"{WEIGHTS} doesn't fit this model ({'; '.join(wrong[:3])}{more}): train this model again"
            )
        model.load_state_dict({name: weight.float() for name, weight in self.weights.items()})

    def model_like(self, model: nn.Module) -> nn.Module:
        """The model with the weights of the run; a new one of its class, if the run's has other sizes.

        Raises:
            CourseError: the weights fit neither.
        """
        config = getattr(model, "config", None)
        if dataclasses.is_dataclass(config):
            known = {name: value for name, value in self.config.items() if hasattr(config, name)}
            if known != {name: getattr(config, name) for name in known}:
                place = next(model.parameters()).device
                model = type(model)(dataclasses.replace(config, **known)).to(place)
        self.put_into(model)
        return model.eval()


def save_run(folder: Path, run: Run, model: nn.Module) -> None:
    """Write weights and record of a run into its folder, each whole.

    Raises:
        CourseError: a number isn't finite.
    """
    # Half precision, because the file travels with the submission; a copy of each, because files know no sharing.
    half = {name: weight.detach().half().contiguous().cpu() for name, weight in model.state_dict().items()}
    if not all(weight.isfinite().all() for weight in half.values()):
        raise CourseError("a weight is infinite or no number: nothing was written; train with a smaller learning rate")
    run.weights = half
    folder.mkdir(parents=True, exist_ok=True)
    # Not save_file, whose files nobody else may read, graders among them.
    write_whole(folder / WEIGHTS, safetensors.torch.save(half))
    runs.save_result(folder / RECORD, {name: getattr(run, name) for name in _recorded()})


@contextlib.contextmanager
def curve_writer(folder: Path | None, curve: Mapping[str, list[float]]) -> Iterator[Callable[[], None]]:
    """TensorBoard events of a curve that grows, under ``<folder>/events``, in place of older ones.

    Args:
        folder: of the run; None if nothing shall be written.
        curve: of a :class:`Run`.

    Yields:
        A function that writes the points that are new since the last call.
    """
    if folder is None:
        yield lambda: None
        return
    # Imported here: it takes a second that who only reads a run need not wait for.
    from torch.utils.tensorboard import SummaryWriter

    events = folder / "events" / "training"
    for older in events.glob("events.*"):
        older.unlink()
    with SummaryWriter(events) as writer:
        written = 0

        def write() -> None:
            nonlocal written
            for i in range(written, len(curve["step"])):
                for name in _CURVES:
                    writer.add_scalar(name, curve[name][i], int(curve["step"][i]))
            written = len(curve["step"])
            writer.flush()

        write()
        yield write


def load_run(folder: Path | str) -> Run:
    """Read a run from its folder, without executing anything that is in there.

    Args:
        folder: has ``run.json`` and ``model.safetensors``.

    Raises:
        CourseError: a file is missing, too large, damaged, or something else; or a weight isn't finite.
    """
    folder = Path(folder)
    record = runs.load_result(folder / RECORD)
    if record is None:
        raise CourseError(f"there is no {RECORD} in {folder}: train the model first")
    record.setdefault("kept_step", record.get("steps"))
    try:
        _check_record(record)
    except (TypeError, ValueError) as error:
        raise CourseError(f"{folder / RECORD} holds no run of a language model ({error}): {_AGAIN}") from None
    try:
        weights = _read_weights(folder / WEIGHTS)
    except FileNotFoundError:
        raise CourseError(f"there is no {WEIGHTS} in {folder}: train the model first") from None
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise CourseError(f"{folder / WEIGHTS} can't be used ({error}): {_AGAIN}") from None
    return Run(**{name: record[name] for name in _recorded()}, weights=weights)


def _recorded() -> list[str]:
    return [entry.name for entry in dataclasses.fields(Run) if entry.name not in ("weights", "model")]


def _check_record(record: Mapping[str, Any]) -> None:
    """Raises ValueError or TypeError where the record is not one of a run."""
    kinds = {"int": int, "float": (int, float), "str": str, "bool": bool}
    for entry in dataclasses.fields(Run):
        if entry.name in _recorded() and entry.type in kinds:
            value = record.get(entry.name)
            if not isinstance(value, kinds[entry.type]) or (isinstance(value, bool) and entry.type != "bool"):
                raise ValueError(f"{entry.name} is {str(value)[:40]!r}")
            if entry.type in ("int", "float") and not (math.isfinite(value) and 0 <= value < 1e18):
                raise ValueError(f"{entry.name} is {value}")
    if record["kept_step"] > record["steps"]:
        raise ValueError(f"kept_step is {record['kept_step']} of {record['steps']} steps")
    config, curve = record.get("config"), record.get("curve")
    if not isinstance(config, dict) or not isinstance(curve, dict):
        raise ValueError("config or curve is missing")
    for name, most in _LIMITS.items():
        if type(config.get(name)) is not int or not 0 < config[name] <= most:
            raise ValueError(f"{name} of the config is {str(config.get(name))[:40]}, not from 1 to {most:,}")
    if not all(isinstance(value, (int, float, str, type(None))) for value in config.values()):
        raise ValueError("the config holds something else than numbers and words")
    if len(record["characters"]) != config["vocab_size"]:
        raise ValueError(f"{len(record['characters'])} characters for a vocabulary of {config['vocab_size']}")
    lines = [curve.get(name) for name in ("step", *_CURVES)]
    if not all(isinstance(line, list) and len(line) == len(lines[0]) <= _MAX_POINTS for line in lines):
        raise ValueError("the curve is no list of numbers for each of step, training loss and validation loss")
    if not all(type(number) in (int, float) and math.isfinite(number) for line in lines for number in line):
        raise ValueError("the curve holds something else than numbers")


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name; ValueError or SafetensorError if the file holds anything but finite floats."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 10**6} MB")
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(_MAX_HEADER, len(content) - 8):
        if content.startswith(_PICKLES):
            raise ValueError("it is a pickle, as torch.save writes it, not safetensors; pickles are never opened here")
        raise ValueError("it has no header of safetensors")
    header = json.loads(content[8 : 8 + size])
    if not isinstance(header, dict) or len(header) > _MAX_TENSORS:
        raise ValueError(f"its header is no list of at most {_MAX_TENSORS:,} tensors")
    for name, entry in header.items():
        if name != "__metadata__" and (not isinstance(entry, dict) or entry.get("dtype") not in _FLOATS):
            raise ValueError(f"{name[:80]} is not of one of the types {', '.join(_FLOATS)}")
    weights = safetensors.torch.load(content)
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise ValueError(f"{name[:80]} has infinite values or NaN")
    return weights
