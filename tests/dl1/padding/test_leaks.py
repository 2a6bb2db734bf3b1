"""The figure of the leak: what slides, and that a probe reads the row where valid padding lets it through."""

import shutil

import matplotlib.pyplot as plt
import pytest
import torch

from dl1.data.squares import squares
from dl1.padding import leaks
from dl1.padding.course_results import course_table
from dl1.padding.nets import CONV_TYPES
from tests.dl1.padding.test_handed_in import FOLDER, HANDED_IN

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(HANDED_IN / FOLDER, tmp_path / FOLDER)
    return tmp_path / FOLDER


def test_painted_images_are_those_of_the_experiment():
    images, labels = squares("train")
    rows, columns = (images.amax(1)[:, :, :].amax(dim) for dim in (2, 1))  # (N, 32) each
    flat = (rows.sum(1) == 4).nonzero().flatten()[:5]
    left = columns[flat].argmax(1)
    right = 31 - columns[flat].flip(1).argmax(1) - 3
    for number, one, other in zip(flat.tolist(), left.tolist(), right.tolist(), strict=True):
        first = int(labels[number])
        row = rows[number : number + 1].argmax(1)
        assert torch.equal(leaks.painted(row, torch.tensor([one]), torch.tensor([other]), first)[0], images[number])


def test_a_network_without_padding_sees_the_height_and_one_that_replicates_the_colours(folder):
    height, colours = (leaks.slid_logits(leaks._trained(name)).mean(2) for name in ("valid", "replicate"))
    upper, lower = 5, 21
    assert (height[:, upper] < 0).all()
    assert (height[:, lower] > 0).all()
    assert (colours[0] < 0).all()
    assert (colours[1] > 0).all()


def test_the_row_can_be_read_off_before_anything_is_trained():
    assert leaks.row_probe(leaks._untrained("valid")) > 0.6
    assert leaks.row_probe(leaks._untrained("replicate")) < 0.3


def test_the_figure_shows_all_six(folder, monkeypatch):
    monkeypatch.setattr(leaks, "row_probe", lambda net: 0.5)
    monkeypatch.setattr(leaks, "slid_logits", lambda net: torch.zeros(2, leaks.HEIGHTS, 3))
    figure = leaks.height_leaks()
    assert [axis.get_title() for axis in figure.axes[:6]] == list(CONV_TYPES)
    assert [text.get_text() for text in figure.axes[6].get_xticklabels()] == list(CONV_TYPES)
    plt.close(figure)


def test_without_results_it_says_what_to_train_first(folder):
    (folder / "Net1-sconv-15-epochs.json").unlink()
    for ask in (leaks.height_leaks, lambda: course_table("Net1")):
        with pytest.raises(NotImplementedError, match="train Net1 first"):
            ask()


def test_the_courses_numbers_stand_below_ones_own(folder):
    table = course_table("Net1")
    assert list(table.columns) == list(CONV_TYPES)
    assert table["fconv"].tolist() == ["82.8", "84.5 ± 0.7"]
