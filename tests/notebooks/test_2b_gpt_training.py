"""Question 2.7: what is measured again of a run that was handed in, and what is said of one that can't be."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells

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


def is_needed(cell: dict) -> bool:
    """The cells that 2.7 depends on, without demos and without the other questions' tests."""
    if "demo" in cell["metadata"].get("tags", []):
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


def test_an_honest_run_gets_both_points(folder):
    assert measured() == {"q2_7_claim": "", "q2_7_loss": ""}


def test_a_claimed_loss_that_the_weights_do_not_have(folder):
    change_record(folder, validation_loss=0.9)
    said = measured()
    assert "validation loss, measured" in said["q2_7_claim"]
    assert said["q2_7_loss"] == ""


def test_a_model_that_looks_at_its_target_gains_nothing(folder):
    with (folder / "gpt.py").open("a") as file:
        file.write(PEEKING)
    change_record(folder, validation_loss=0.01)
    said = measured()
    assert "validation loss, measured" in said["q2_7_claim"]
    assert "validation loss below the stated one" in said["q2_7_loss"]


def test_an_untrained_model_with_an_honest_claim(folder):
    import safetensors.torch

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
    import safetensors.torch

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
