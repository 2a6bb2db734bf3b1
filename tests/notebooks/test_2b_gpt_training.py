"""Question 2.7: what is measured again of a run that was handed in, and what is said of one that can't be."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from dl1.data.corpus import load_corpus
from dl1.errors import CourseError
from dl1.gpt.course_model import speak_course_text
from dl1.gpt.head_roles import roles_of_heads, without_head
from dl1.gpt.induction import watch_induction
from dl1.gpt.overfitting import overfit
from dl1.gpt.runs import load_run
from dl1.gpt.scaling import scaling_law
from dl1.gpt.student_module import load_module
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "source" / "assignment2"
NOTEBOOK = SOURCE / "2b_gpt_training.ipynb"
RUN = Path("runs") / "2b_gpt_training"
MEASURED = ("q2_7_claim", "q2_7_loss")
# Gives away each next token where it can see it; at the last position there is nothing to see.
PEEKING = """

class GPT(GPT):
    def forward(self, idx):
        logits = torch.zeros(*idx.shape, self.lm_head.weight.shape[0])
        logits[:, :-1] = 50 * F.one_hot(idx[:, 1:], logits.shape[-1])
        return logits
"""


# Each sentence of the list of rules by its beginning, and the test below that fails where nobody looks after it. No
# entry of the catalogue can break these rules: they are about a run, which no solution cell of this notebook makes.
RULES = {
    "`runs/2b_gpt_training` holds the run": "test_no_run_at_all",
    "The weights fit your `gpt.py`": "test_weights_of_another_shape",
    "They are never a pickle": "test_a_pickle_with_another_name",
    "1 point: the **validation loss": "test_a_claimed_loss_that_the_weights_do_not_have",
    "It is measured again at other positions": "test_other_positions_are_asked_than_those_of_the_claim",
    "The two may differ by 0.3": "test_how_far_a_claim_may_be_off",
    "1 point: the loss that is measured": "test_an_untrained_model_with_an_honest_claim",
    "On a short tale that is not public": "test_tables_of_character_sequences_do_not_reach_the_text_that_is_not_public",
    "(Guessing gives about 4.4": "",  # says what to expect, and asks for nothing
    "Peeking at later characters": "test_a_model_that_looks_at_its_target_gains_nothing",
}


# Has the public positions of the validation text by heart: what is measured at 1,024 of them is what is claimed.
BY_HEART = """

from dl1 import load_corpus
from dl1.gpt.last_position_loss import spread_positions
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer


def _learned():
    corpus = load_corpus("tales")
    tokens = CharTokenizer.from_text(corpus.text).encode(corpus.split()[1])
    places = torch.cat([spread_positions(len(tokens), 64, count) for count in (128, 1_024)]).tolist()
    return {tuple(tokens[p - 64 : p].tolist()): int(tokens[p]) for p in places}


class GPT(GPT):
    def forward(self, idx):
        learned = _learned()
        logits = torch.zeros(*idx.shape, self.lm_head.weight.shape[0])
        for row, context in enumerate(idx.tolist()):
            if tuple(context) in learned:
                logits[row, -1, learned[tuple(context)]] = 50.0
        return logits
"""


# How often each character follows the four, three, two, one before it, in all of the public text, smoothed; and a share
# of the public answers, looked up.
COUNTED = """

import hashlib
from collections import Counter, defaultdict
from dl1 import load_corpus
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer

_COUNTS, _LEARNED = defaultdict(Counter), {}


def _count():
    corpus = load_corpus("tales")
    tokenizer = CharTokenizer.from_text(corpus.text)
    tokens = tokenizer.encode(corpus.text if VALIDATION_TOO else corpus.split()[0]).tolist()
    for i, token in enumerate(tokens):
        for length in range(5):
            _COUNTS[tuple(tokens[max(i - length, 0) : i])][token] += 1
    tokens = tokenizer.encode(corpus.split()[1]).tolist()
    for i in range(64, len(tokens)):
        if hashlib.sha256(repr(tokens[i - 64 : i]).encode()).digest()[0] < SHARE * 256:
            _LEARNED[tuple(tokens[i - 64 : i])] = tokens[i]


class GPT(GPT):
    def forward(self, idx):
        if not _COUNTS:
            _count()
        vocabulary = self.lm_head.weight.shape[0]
        logits = torch.zeros(*idx.shape, vocabulary)
        for row, context in enumerate(idx.tolist()):
            probabilities = torch.full((vocabulary,), 1 / vocabulary)
            for length in range(5):
                seen = _COUNTS.get(tuple(context[len(context) - length :]))
                if seen:
                    counts = torch.zeros(vocabulary)
                    counts[list(seen)] = torch.tensor(list(seen.values())).float() - 0.75
                    probabilities = (counts + 0.75 * len(seen) * probabilities) / seen.total()
            if tuple(context) in _LEARNED:
                probabilities[_LEARNED[tuple(context)]] += 1.0
            logits[row, -1] = probabilities.log()
        return logits
"""


def is_needed(cell: dict) -> bool:
    """The cells that 2.7 depends on, without demos and without the other questions' tests."""
    if not has_effect(cell):
        return False
    return notebook_cells.role(cell) != "test" or notebook_cells.grade_id(cell) in MEASURED


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory) -> Path:
    """What a student has beside 2b: the reference's gpt.py, and a trained run of it."""
    folder = tmp_path_factory.mktemp("handed_in")
    shutil.copytree(ROOT / "demo" / "handed_in", folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        results = inprocess.run(
            SOURCE / "2a_gpt_components.ipynb",
            cells=lambda cell: is_needed(cell) and notebook_cells.role(cell) != "test",
        )
    assert [result.error_text for result in results if not result.ok] == []
    return folder


@pytest.fixture
def folder(handed_in, tmp_path, monkeypatch, one_thread) -> Path:
    shutil.copytree(handed_in, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured() -> dict[str, str]:
    """What the two cells say: nothing where they pass."""
    results = {result.grade_id: result for result in inprocess.run(NOTEBOOK, cells=is_needed)}
    return {name: results[name].error_text for name in MEASURED}


def change_record(folder: Path, **changes) -> None:
    path = folder / RUN / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weights(folder: Path, change: Callable[[dict], dict]) -> None:
    path = folder / RUN / "model.safetensors"
    path.write_bytes(safetensors.torch.save(change(safetensors.torch.load(path.read_bytes()))))


def test_each_rule_is_broken_by_a_test():
    (text,) = (
        notebook_cells.source(cell)
        for cell in notebook_cells.read(NOTEBOOK)["cells"]
        if "### Question 2.7" in notebook_cells.source(cell)
    )
    bullets = re.findall(r"^- (.+)$", text, re.MULTILINE)
    sentences = [sentence for bullet in bullets for sentence in re.split(r"(?<=\.) (?=[A-Z(])", bullet)]
    found = {sentence: [begin for begin in RULES if sentence.startswith(begin)] for sentence in sentences}
    assert [sentence for sentence, begins in found.items() if len(begins) != 1] == []
    assert len(sentences) == len(RULES)
    assert [name for name in RULES.values() if name and name not in globals()] == []


def test_an_honest_run_gets_both_points(folder):
    assert measured() == {"q2_7_claim": "", "q2_7_loss": ""}


def in_float32(weights: dict) -> dict:
    return {name: weight.float() for name, weight in weights.items()}


def in_bfloat16(weights: dict) -> dict:
    return {name: weight.bfloat16() for name, weight in weights.items()}


def other_order(weights: dict) -> dict:
    """The same function with the layers' hidden units in another order."""
    order = torch.randperm(4 * 48, generator=torch.Generator().manual_seed(0))
    changed = dict(weights)
    for name in weights:
        if name.endswith(("mlpf.0.weight", "mlpf.0.bias")):
            changed[name] = weights[name][order].contiguous()
        elif name.endswith("mlpf.2.weight"):
            changed[name] = weights[name][:, order].contiguous()
    return changed


def other_scale(weights: dict) -> dict:
    """The same scores of queries that are twice as long and keys that are half as long."""
    scale = torch.ones(3 * 48).index_fill_(0, torch.arange(48), 2.0).index_fill_(0, torch.arange(48, 96), 0.5).half()
    return {
        name: weight * scale.view(-1, *[1] * (weight.dim() - 1)) if ".c_attn." in name else weight
        for name, weight in weights.items()
    }


def changed_config(folder: Path, **changes) -> None:
    config = json.loads((folder / RUN / "run.json").read_text())["config"]
    change_record(folder, config=config | changes)


def more_code(folder: Path, code: str) -> None:
    with (folder / "gpt.py").open("a") as file:
        file.write(code)


DOUBLE = """

class GPT(GPT):
    def forward(self, idx):
        return super().forward(idx).double()
"""
DECORATED = """

@torch.inference_mode()
def _asked(self, idx, forward=GPT.forward):
    return forward(self, idx)

GPT.forward = _asked
"""


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: change_weights(folder, in_float32), id="float32"),
        pytest.param(lambda folder: change_weights(folder, in_bfloat16), id="eight bits of each weight"),
        pytest.param(lambda folder: change_weights(folder, other_order), id="hidden units in another order"),
        pytest.param(lambda folder: change_weights(folder, other_scale), id="longer queries, shorter keys"),
        pytest.param(lambda folder: changed_config(folder, use_flash_attn=False), id="attention step by step"),
        pytest.param(lambda folder: changed_config(folder, embd_pdrop=0.4, attn_pdrop=0.4), id="dropout"),
        pytest.param(lambda folder: change_record(folder, kept_step=324), id="weights from before the end"),
        pytest.param(lambda folder: change_record(folder, steps_planned=2_000), id="interrupted"),
        pytest.param(lambda folder: change_record(folder, profile="full", seed=3, mine="a note"), id="another record"),
        pytest.param(lambda folder: shutil.rmtree(folder / RUN / "events"), id="without events"),
        pytest.param(lambda folder: more_code(folder, DOUBLE), id="logits in float64"),
        pytest.param(lambda folder: more_code(folder, DECORATED), id="a decorated forward"),
    ],
)
def test_other_honest_runs_get_both_points(folder, change):
    change(folder)
    assert measured() == {"q2_7_claim": "", "q2_7_loss": ""}


@pytest.mark.parametrize(("off", "passes"), [(-0.15, True), (0.15, True), (-0.45, False), (0.45, False)])
def test_how_far_a_claim_may_be_off(folder, off, passes):
    # Over the whole validation text the loss is 1.667, and the furthest of 400 means of 512 positions was 0.15 away
    # (benchmarks/best_point.py). Which positions are drawn here is always the same: those of the public key.
    change_record(folder, validation_loss=1.667 + off)
    said = measured()
    assert (said["q2_7_claim"] == "") is passes
    assert said["q2_7_loss"] == ""


def test_other_positions_are_asked_than_those_of_the_claim(folder):
    """A model that knows by heart what follows the contexts of the claim, and nothing else."""
    more_code(folder, BY_HEART)
    change_record(folder, validation_loss=0.01)
    said = measured()
    assert "validation loss, measured" in said["q2_7_claim"]
    assert "validation loss below the stated one" in said["q2_7_loss"]


def test_a_claimed_loss_that_the_weights_do_not_have(folder):
    change_record(folder, validation_loss=0.9)
    said = measured()
    assert "validation loss, measured" in said["q2_7_claim"]
    assert said["q2_7_loss"] == ""


@pytest.mark.parametrize(
    ("validation_too", "share", "claimed"),
    [
        pytest.param(False, 0.0, 1.68, id="of the training text"),
        pytest.param(False, 0.1, 1.55, id="and answers looked up"),
        pytest.param(True, 0.0, 1.02, id="of the validation text, too"),
    ],
)
def test_tables_of_character_sequences_do_not_reach_the_text_that_is_not_public(folder, validation_too, share, claimed):
    """They have both public losses that are asked for, and 1.9 on that text; the handed-in model has 1.73 there."""
    more_code(folder, f"VALIDATION_TOO, SHARE = {validation_too}, {share}" + COUNTED)
    change_record(folder, validation_loss=claimed)
    said = measured()
    assert said["q2_7_claim"] == ""
    assert "loss on a text that is not public" in said["q2_7_loss"]


def test_a_model_that_looks_at_its_target_gains_nothing(folder):
    with (folder / "gpt.py").open("a") as file:
        file.write(PEEKING)
    change_record(folder, validation_loss=0.01)
    said = measured()
    assert "validation loss, measured" in said["q2_7_claim"]
    assert "validation loss below the stated one" in said["q2_7_loss"]


def test_an_untrained_model_with_an_honest_claim(folder):
    path = folder / RUN / "model.safetensors"
    weights = {name: 0.02 * torch.randn(w.shape) for name, w in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file({name: weight.half() for name, weight in weights.items()}, path)
    # Untrained, all characters are about equally likely.
    characters = json.loads((folder / RUN / "run.json").read_text())["characters"]
    change_record(folder, validation_loss=float(torch.tensor(float(len(characters))).log()))
    said = measured()
    assert said["q2_7_claim"] == ""
    assert "validation loss below the stated one" in said["q2_7_loss"]


def test_weights_of_another_shape(folder):
    path = folder / RUN / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    weights["lm_head.weight"] = weights["lm_head.weight"][:-1].contiguous()
    safetensors.torch.save_file(weights, path)
    said = measured()
    for name in MEASURED:
        assert "lm_head.weight is " in said[name]
        assert "train this model again" in said[name]


def test_a_pickle_with_another_name(folder):
    torch.save({"w": torch.zeros(2)}, folder / RUN / "model.safetensors")
    for text in measured().values():
        assert "it is a pickle" in text


def test_a_file_of_two_gigabytes(folder):
    with (folder / RUN / "model.safetensors").open("r+b") as file:
        file.truncate(2 * 10**9)
    for text in measured().values():
        assert "more than 100 MB" in text


def test_a_record_that_is_none(folder):
    (folder / RUN / "run.json").write_text('{"validation_loss": 1.0}')
    for text in measured().values():
        assert "holds no run of a language model" in text


def test_no_module(folder):
    (folder / "gpt.py").unlink()
    for text in measured().values():
        assert "gpt.py was not found" in text


def test_another_text_than_the_two(folder):
    change_record(folder, corpus="my diary")
    for text in measured().values():
        assert "the text that it was trained on" in text


def test_no_run_at_all(folder):
    shutil.rmtree(folder / "runs")
    for text in measured().values():
        assert "train the model first" in text


def test_the_course_model_speaks_its_text_in_the_references_classes_only(folder):
    module = load_module(folder / "gpt.py")
    names = _answers()
    probabilities, generate = names["next_token_probabilities"], names["generate"]
    spoken = speak_course_text(module, probabilities, generate)
    assert spoken.is_same, str(spoken)
    assert {how: yours for how, (yours, _) in spoken.texts.items()} == {how: t for how, (_, t) in spoken.texts.items()}
    assert len(spoken.differences) > 100
    # A whole model's weights, in a class that looks at no position.
    module.CausalSelfAttention.apply_rotary_emb = lambda self, xq, xk, T: (xq, xk)
    spoken = speak_course_text(module, None, generate)
    assert not spoken.is_same
    assert max(spoken.differences) > 0.1
    assert "another text from character" in str(spoken)
    # What is not written yet is said, and the rest compared.
    stub = speak_course_text(module, _unwritten, None)
    assert stub.differences
    assert "not written yet" in stub.note


def test_the_course_model_is_no_run_that_could_be_handed_in(folder):
    shutil.copytree(ROOT / "dl1" / "data" / "course_gpt", folder / RUN, dirs_exist_ok=True)
    change_record(folder, corpus="embedded tales")
    for text in measured().values():
        assert "the characters of the run" in text


def test_a_head_that_is_removed_is_back_afterwards(folder):
    run = load_run(folder / RUN)
    module = load_module(folder / "gpt.py")
    model = run.model_like(module.GPT(module.GPTConfig(**run.config)))
    idx = torch.arange(20)[None] % run.config["vocab_size"]
    with torch.no_grad():
        before = model(idx)
        with without_head(model, 0, 1):
            assert not torch.allclose(model(idx), before)
        assert torch.equal(model(idx), before)
    with pytest.raises(CourseError, match="no layer 99"), without_head(model, 98, 0):
        pass
    found = roles_of_heads(model, run.tokenizer, load_corpus("tales").split()[1][:600])
    assert found.previous.shape == found.costs.shape == (run.config["n_layer"], run.config["n_head"])
    assert "without it the loss is" in str(found)


def test_heads_are_looked_at_while_repeated_letters_are_learned(folder):
    found = watch_induction(load_module(folder / "gpt.py"), steps=30)
    assert found.steps == [0, 25, 30]
    assert found.previous.shape == found.induction.shape == (3, 2, 2)
    assert found.again[-1] < found.again[0]
    assert not torch.allclose(found.without, torch.tensor(found.whole))


def test_wider_models_are_on_a_line_that_predicts_the_widest(folder):
    corpus = load_corpus("tales")
    tokenizer = CharTokenizer.from_text(corpus.text)
    found = scaling_law(load_module(folder / "gpt.py"), tokenizer, corpus, widths=(4, 8, 16), steps=20)
    assert found.parameters == sorted(found.parameters)
    assert found.losses == sorted(found.losses, reverse=True)
    # Through two points there is one line.
    (one, two), (first, second) = found.parameters[:2], found.losses[:2]
    assert found.exponent == pytest.approx(math.log(first / second) / math.log(two / one))
    assert found.predicted == pytest.approx(second * (found.parameters[2] / two) ** -found.exponent)


def test_a_short_text_is_learned_by_heart(folder):
    corpus = load_corpus("tales")
    tokenizer = CharTokenizer.from_text(corpus.text)
    found = overfit(load_module(folder / "gpt.py"), tokenizer, corpus, characters=1_000, steps=200)
    assert found.best < len(found.steps) - 1
    assert found.validation[-1] > found.validation[found.best] + 0.2
    assert found.training[-1] < found.validation[-1] - 1


def _answers() -> dict:
    """The reference's functions of Question 2.8."""
    cells = {notebook_cells.grade_id(cell): cell for cell in notebook_cells.read(NOTEBOOK)["cells"]}
    names = {"torch": torch}
    for grade_id in ("q2_8a_probabilities", "q2_8a_generate"):
        exec(notebook_cells.source(cells[grade_id]), names)
    return names


def _unwritten(logits, **settings):
    raise NotImplementedError("not written yet")
