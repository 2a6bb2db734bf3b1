"""What is kept of a run, and what a reader of a run refuses."""

import dataclasses
import json
import pickle
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.gpt import runs as gpt_runs
from dl1.gpt.runs import RECORD, WEIGHTS, Run, curve_writer, load_run, save_run

CURVE = {"step": [5, 10], "training loss": [2.0, 1.5], "validation loss": [2.1, 1.6]}


@dataclasses.dataclass
class Config:
    vocab_size: int = 4
    n_embd: int = 6
    block_size: int = 8
    n_layer: int = 1
    n_head: int = 1


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.block_size = config, config.block_size
        self.embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size)


def a_run(**changes) -> Run:
    facts = {
        "config": dataclasses.asdict(Config()),
        "corpus": "Grimm",
        "corpus_sha256": "00" * 32,
        "characters": "abcd",
        "profile": "full",
        "seed": 0,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "key": "k",
        "device": "some CPU",
        "dtype": "float32",
        "attention": "math",
        "compiled": False,
        "torch": "2",
        "steps": 10,
        "steps_planned": 10,
        "kept_step": 10,
        "tokens_seen": 320,
        "tokens_per_second": 12.5,
        "wall_seconds": 25.6,
        "curve": CURVE,
        "training_loss": 1.5,
        "validation_loss": 1.6,
        "validation_error": 0.1,
        "date": "2026-11-24T12:00:00+00:00",
    }
    return Run(**{**facts, **changes})


@pytest.fixture
def folder(tmp_path) -> Path:
    torch.manual_seed(0)
    save_run(tmp_path / "run", a_run(), Model(Config()))
    return tmp_path / "run"


def test_a_run_comes_back_as_it_was(folder):
    run = load_run(folder)
    torch.manual_seed(0)
    saved = Model(Config())
    assert {name: getattr(run, name) for name in ("curve", "validation_loss", "characters", "compiled")} == {
        "curve": CURVE,
        "validation_loss": 1.6,
        "characters": "abcd",
        "compiled": False,
    }
    assert run.is_finished
    assert run.tokenizer.decode([3, 0]) == "da"
    assert {weight.dtype for weight in run.weights.values()} == {torch.float16}
    loaded = Model(Config())
    run.put_into(loaded)
    for name, weight in saved.state_dict().items():
        # Half precision has 11 bits.
        torch.testing.assert_close(loaded.state_dict()[name], weight, rtol=2**-11, atol=1e-7)
        assert loaded.state_dict()[name].dtype == torch.float32


def test_files_are_open_formats_that_others_may_read(folder):
    assert json.loads((folder / RECORD).read_text())["tokens_seen"] == 320
    assert set(safetensors.torch.load_file(folder / WEIGHTS)) == {"embedding.weight", "head.weight", "head.bias"}
    readable = folder / "readable"
    readable.touch()
    assert (folder / WEIGHTS).stat().st_mode == readable.stat().st_mode
    assert {path.name for path in folder.iterdir()} == {RECORD, WEIGHTS, "readable"}


def test_a_record_from_before_the_best_weights_were_kept(folder):
    record = json.loads((folder / RECORD).read_text())
    del record["kept_step"]
    (folder / RECORD).write_text(json.dumps(record))
    # Then the last ones were kept.
    assert load_run(folder).kept_step == record["steps"] == 10


def test_figures_say_what_is_smaller():
    assert a_run().note == ""
    assert a_run(profile="quick", corpus="embedded tales").note == " (quick profile, embedded tales)"
    assert a_run(steps=4).note == " (4 of 10 steps)"


def test_a_model_of_other_sizes_is_made_anew(folder):
    run, fitting, other = load_run(folder), Model(Config()), Model(Config(vocab_size=9, block_size=3))
    assert run.model_like(fitting) is fitting
    made = run.model_like(other)
    assert made is not other
    assert (type(made), made.config, made.training) == (Model, Config(), False)
    assert torch.equal(made.head.bias, fitting.head.bias)


def test_weights_that_do_not_fit_are_named(folder):
    with pytest.raises(CourseError, match=r"embedding\.weight is \(4, 6\) in the file, \(4, 7\) in the model") as seen:
        load_run(folder).put_into(Model(Config(n_embd=7)))
    assert "train this model again" in str(seen.value)
    with pytest.raises(CourseError, match=r"embedding\.weight is \(4, 6\) in the file, unknown in the model"):
        load_run(folder).put_into(nn.Linear(6, 4))


def test_what_is_missing_is_said(folder, tmp_path):
    with pytest.raises(CourseError, match=r"no run\.json in .*: train the model first"):
        load_run(tmp_path / "nowhere")
    (folder / WEIGHTS).unlink()
    with pytest.raises(CourseError, match=r"no model\.safetensors in .*: train the model first"):
        load_run(folder)
    (folder / WEIGHTS).mkdir()
    with pytest.raises(CourseError, match="it is no file"):
        load_run(folder)


class Exploit:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def with_header(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no header of safetensors"),
        (b"nothing of the kind", "no header of safetensors"),
        (struct.pack("<Q", 2**60), "no header of safetensors"),
        (struct.pack("<Q", 10) + b"{not json}", "can't be used"),
        (with_header([1]), "no list of at most 10,000 tensors"),
        (with_header({str(i): {} for i in range(10_001)}), "no list of at most 10,000 tensors"),
        (with_header({"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)), "not of one of the"),
        (with_header({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4]}}, bytes(4)), "can't be used"),
        (with_header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 400]}}, bytes(4)), "can't be used"),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "can't be used"),
    ],
)
def test_damaged_weights_are_refused(folder, content, says):
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(CourseError, match=says) as seen:
        load_run(folder)
    assert "delete the folder, then train again" in str(seen.value)


def test_pickles_are_never_opened(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"head.weight": Exploit()}, folder / WEIGHTS)
    with pytest.raises(CourseError, match="it is a pickle, as torch.save writes it"):
        load_run(folder)
    for protocol in range(2, 6):
        (folder / WEIGHTS).write_bytes(pickle.dumps([Exploit()], protocol=protocol))
        with pytest.raises(CourseError, match="it is a pickle"):
            load_run(folder)
    assert not Path("executed").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_must_be_finite(folder, value):
    weights = load_run(folder).weights
    weights["head.bias"][2] = value
    safetensors.torch.save_file(weights, folder / WEIGHTS)
    with pytest.raises(CourseError, match=r"head\.bias has infinite values or NaN"):
        load_run(folder)
    model = Model(Config())
    model.head.bias.data[0] = value
    with pytest.raises(CourseError, match="a weight is infinite or no number: nothing was written"):
        save_run(folder / "other", a_run(), model)
    assert not (folder / "other").exists()


def test_a_file_that_is_too_large_is_refused(folder, monkeypatch):
    monkeypatch.setattr(gpt_runs, "MAX_BYTES", 100)
    with pytest.raises(CourseError, match="it has more than 0 MB"):
        load_run(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": "ten"}, "steps is 'ten'"),
        ({"steps": True}, "steps is 'True'"),
        ({"kept_step": 11}, "kept_step is 11 of 10 steps"),
        ({"kept_step": "best"}, "kept_step is 'best'"),
        ({"wall_seconds": -1.0}, "wall_seconds is -1.0"),
        ({"corpus": None}, "corpus is 'None'"),
        ({"config": 3}, "config or curve is missing"),
        ({"config": {"n_layer": 10**9}}, "n_layer of the config is 1000000000, not from 1 to 100"),
        ({"config": {**dataclasses.asdict(Config()), "x": []}}, "something else than numbers and words"),
        ({"characters": "ab"}, "2 characters for a vocabulary of 4"),
        ({"curve": {**CURVE, "step": [1]}}, "the curve is no list"),
        ({"curve": {**CURVE, "step": [1, "2"]}}, "the curve holds something else"),
    ],
)
def test_a_record_of_something_else_is_refused(folder, change, says):
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps({**record, **change}))
    with pytest.raises(CourseError, match=r"run\.json holds no run of a language model .* then train again") as seen:
        load_run(folder)
    assert says in str(seen.value)


def test_a_loss_that_is_no_number_is_refused(folder):
    text = (folder / RECORD).read_text()
    (folder / RECORD).write_text(text.replace('"validation_loss": 1.6', '"validation_loss": NaN'))
    with pytest.raises(CourseError, match="validation_loss is nan"):
        load_run(folder)


def test_events_grow_with_the_curve_and_replace_older_ones(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curve = {"step": [], "training loss": [], "validation loss": []}
    with curve_writer(tmp_path, CURVE):
        pass
    with curve_writer(tmp_path, curve) as write:
        for step in (3, 6, 9):
            for name, value in (("step", step), ("training loss", 1 / step), ("validation loss", 2 / step)):
                curve[name].append(value)
            write()
    events = EventAccumulator(str(tmp_path / "events" / "training")).Reload()
    assert [(event.step, round(event.value, 4)) for event in events.Scalars("validation loss")] == [
        (3, 0.6667),
        (6, 0.3333),
        (9, 0.2222),
    ]
    assert len(list((tmp_path / "events" / "training").iterdir())) == 1


def test_nothing_is_written_where_no_folder_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with curve_writer(None, CURVE) as write:
        write()
    assert list(tmp_path.iterdir()) == []
