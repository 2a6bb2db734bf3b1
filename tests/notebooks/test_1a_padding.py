"""Question 1.1: the two points for an experiment that was run, and what no run, another claim or other weights get."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from dl1.contract.protocol import generator
from dl1.padding.kept_nets import packed
from dl1.padding.nets import CONV_TYPES, PaddingNet
from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "source" / "assignment2" / "1a_padding.ipynb"
RUN = Path("runs") / "1a_padding"
MEASURED = ("q1_1a_table_values", "q1_1c_compare_values")


def is_needed(cell: dict) -> bool:
    if "figure" in cell["metadata"].get("tags", ()) or not has_effect(cell):
        return False
    return notebook_cells.role(cell) != "test" or notebook_cells.grade_id(cell) in MEASURED


@pytest.fixture
def folder(tmp_path, monkeypatch, one_thread) -> Path:
    shutil.copytree(ROOT / "demo" / "handed_in" / RUN, tmp_path / RUN)
    monkeypatch.chdir(tmp_path)
    return tmp_path / RUN


def measured() -> dict[str, str]:
    """What the two cells say: nothing where they pass."""
    results = {result.grade_id: result for result in inprocess.run(NOTEBOOK, cells=is_needed)}
    return {name: results[name].error_text for name in MEASURED}


def claim(folder: Path, net_type: str, conv_type: str, **accuracies: float) -> None:
    file = folder / f"{net_type}-{conv_type}-15-epochs.json"
    content = json.loads(file.read_text())
    content["runs"][0] |= accuracies
    file.write_text(json.dumps(content))


def test_whoever_has_run_nothing_has_neither_point(folder):
    shutil.rmtree(folder)
    found = measured()
    assert "train Net1 first" in found[MEASURED[0]]
    assert "train Net2 first" in found[MEASURED[1]]


def test_a_claim_beyond_the_weights_is_found_in_public_and_costs_its_own_point(folder):
    # Two points of a hundred are allowed.
    claim(folder, "Net1", "valid", test=0.04)
    claim(folder, "Net2", "valid", test=0.019)
    found = measured()
    assert "test accuracy of Net1, valid, measured again" in found[MEASURED[0]]
    assert found[MEASURED[1]] == ""


def test_one_network_of_six_is_drawn_for_the_hidden_part(folder):
    drawn = [
        CONV_TYPES[int(torch.randint(len(CONV_TYPES), (1,), generator=generator(f"1.1{part} measured again")))]
        for part in "ac"
    ]
    claim(folder, "Net1", drawn[0], validation=0.5)
    claim(folder, "Net2", drawn[1], test=0.5)
    found = measured()
    assert f"validation accuracy of Net1, {drawn[0]}, measured again" in found[MEASURED[0]]
    assert f"test accuracy of Net2, {drawn[1]}, measured again" in found[MEASURED[1]]


def test_a_true_claim_about_a_network_that_was_never_trained_is_none(folder):
    torch.manual_seed(0)
    (folder / "Net2-valid-15-epochs.safetensors").write_bytes(packed(PaddingNet("Net2", "valid")))
    claim(folder, "Net2", "valid", validation=0.5, test=0.5)
    found = measured()
    assert found[MEASURED[0]] == ""
    assert "Net2, valid" in found[MEASURED[1]]
