"""The point of 1.1 is for an experiment that was run: what is claimed, and what the kept weights have."""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from dl1.contract.cards import CheckFailed
from dl1.errors import CourseError
from dl1.padding import kept_nets
from dl1.padding.handed_in import handed_in_runs, handed_in_weights, measured_accuracies
from dl1.padding.nets import CONV_TYPES, PaddingNet

pytestmark = pytest.mark.usefixtures("one_thread")

HANDED_IN = Path(__file__).resolve().parents[3] / "demo" / "handed_in"
FOLDER = Path("runs/1a_padding")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Results of the quick profile, as the reference student hands them in."""
    shutil.copytree(HANDED_IN / FOLDER, tmp_path / FOLDER)
    monkeypatch.chdir(tmp_path)
    return tmp_path / FOLDER


def measured(net_type: str, conv_type: str) -> dict[str, tuple[float, float]]:
    return measured_accuracies(handed_in_weights, handed_in_runs(net_type), net_type, conv_type)


@pytest.mark.parametrize(("net_type", "conv_type"), [("Net1", "fconv"), ("Net2", "valid")])
def test_a_run_has_the_accuracies_that_it_claims(net_type, conv_type):
    for said, found in measured(net_type, conv_type).values():
        # Half precision changes no image of 1,000, another processor's order of sums at most a few: the rule has 20.
        assert abs(said - found) <= 0.005


def test_a_better_claim_is_no_better_than_its_weights(folder):
    file = folder / "Net1-valid-15-epochs.json"
    claimed = json.loads(file.read_text())
    claimed["runs"][0]["test"] = 0.9
    file.write_text(json.dumps(claimed))
    said, found = measured("Net1", "valid")["test"]
    assert said == 0.9
    assert found < 0.02


def test_untrained_weights_are_worth_a_coin(folder):
    torch.manual_seed(0)
    (folder / "Net1-fconv-15-epochs.safetensors").write_bytes(kept_nets.packed(PaddingNet("Net1", "fconv")))
    # The rule asks for 70 %.
    assert measured("Net1", "fconv")["validation"][1] < 0.65


def test_nothing_was_trained(folder):
    shutil.rmtree(folder)
    with pytest.raises(NotImplementedError, match="train Net1 first"):
        handed_in_runs("Net1")


def test_an_experiment_that_was_stopped_names_what_is_missing(folder):
    for name in ("reflect", "circular"):
        (folder / f"Net1-{name}-15-epochs.json").unlink()
    assert "no results yet with circular, reflect" in handed_in_runs("Net1")["problem"]
    assert handed_in_runs("Net2")["problem"] == ""


def test_a_damaged_file_is_named(folder):
    (folder / "Net1-valid-15-epochs.json").write_text("{")
    assert "Net1-valid-15-epochs.json can't be read" in handed_in_runs("Net1")["problem"]


def test_weights_of_another_net_or_none_are_no_weights(folder):
    shutil.copy(folder / "Net2-valid-15-epochs.safetensors", folder / "Net1-valid-15-epochs.safetensors")
    with pytest.raises(CheckFailed, match="not those of Net1 with valid"):
        measured("Net1", "valid")
    (folder / "Net1-valid-15-epochs.safetensors").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(CourseError, match="can't be read"):
        measured("Net1", "valid")
    (folder / "Net1-valid-15-epochs.safetensors").write_bytes(bytes(kept_nets._MAX_BYTES + 1))
    with pytest.raises(CourseError, match="more than 1 MiB"):
        measured("Net1", "valid")
    (folder / "Net1-valid-15-epochs.safetensors").unlink()
    with pytest.raises(CourseError, match="is missing: run the cell"):
        measured("Net1", "valid")


def test_the_largest_profile_with_results_counts(folder):
    weights = safetensors.torch.load_file(folder / "Net1-valid-15-epochs.safetensors")
    claimed = json.loads((folder / "Net1-valid-15-epochs.json").read_text())
    claimed["runs"] = [{**claimed["runs"][0], "seed": seed} for seed in (2, 0)]
    (folder / "Net1-valid-50-epochs.json").write_text(json.dumps(claimed))
    safetensors.torch.save_file(
        {name: 0 * weight for name, weight in weights.items()}, folder / "Net1-valid-50-epochs.safetensors"
    )
    assert [run["seed"] for run in handed_in_runs("Net1")["runs"]["valid"]] == [0, 2]
    assert not any(weight.any() for weight in handed_in_weights("Net1", "valid").values())


GOOD = {"seed": 0, "validation": 1.0, "test": 0.0}


@pytest.mark.parametrize(
    "claimed",
    [
        None,
        {},
        {"runs": [1]},
        {"runs": {"valid": [GOOD]}},
        {"runs": {**dict.fromkeys(CONV_TYPES, [GOOD]), "valid": []}},
        {"runs": {**dict.fromkeys(CONV_TYPES, [GOOD]), "valid": 3}},
        {"runs": {**dict.fromkeys(CONV_TYPES, [GOOD]), "valid": [{**GOOD, "seed": 1}]}},
        {"runs": {**dict.fromkeys(CONV_TYPES, [GOOD]), "valid": [{**GOOD, "test": "0"}]}},
        {"runs": {**dict.fromkeys(CONV_TYPES, [GOOD]), "valid": [{**GOOD, "test": float("nan")}]}},
        {"runs": {**dict.fromkeys(CONV_TYPES, [GOOD]), "valid": [{"seed": 0}]}},
    ],
)
def test_whatever_a_submission_says_of_itself_is_a_failed_check(claimed):
    with pytest.raises(CheckFailed):
        measured_accuracies(handed_in_weights, claimed, "Net1", "valid")


@pytest.mark.parametrize("weights", [None, [], {}, {"classifier.bias": 1.0}, {"classifier.bias": torch.zeros(10**6)}])
def test_whatever_is_handed_in_as_weights_is_a_failed_check(weights):
    claimed = {"runs": dict.fromkeys(CONV_TYPES, [GOOD])}
    with pytest.raises(CheckFailed, match="those of this network"):
        measured_accuracies(lambda *_: weights, claimed, "Net1", "valid")
