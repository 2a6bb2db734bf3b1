"""Training of the rotation experiment: keeping, going on, loading, and nbgrader's own run of a notebook."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn as nn

from dl1.data.images import ImageSet
from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.rotation import training as rotation_training
from dl1.rotation.training import PROFILES, kept_accuracies, profile_note, sweep_images, train_model

FOLDER = Path("runs/1b_rotation")
EPOCHS = PROFILES["full"].epochs

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *names, **options: str(tmp_path / "cache"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv(runs.PROFILE_VARIABLE, raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def small_set(transform=None, count=128) -> ImageSet:
    """Bright images of class 1, dark ones of class 0."""
    labels = torch.arange(count) % 2
    images = (labels * 200).view(-1, 1, 1, 1).expand(-1, 3, 32, 32).to(torch.uint8)
    return ImageSet(images, labels, ("dark", "bright"), "CIFAR-10", transform)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def epochs_trained(monkeypatch) -> list[int]:
    """The seeds of the epochs that are trained from now on."""
    seen, whole = [], rotation_training._train_epoch

    def counted(model, optimizer, images, seed, title):
        seen.append(seed)
        return whole(model, optimizer, images, seed, title)

    monkeypatch.setattr(rotation_training, "_train_epoch", counted)
    return seen


def test_it_learns_and_keeps_what_it_learned(monkeypatch, capsys):
    seen = epochs_trained(monkeypatch)
    trained = model()
    losses = train_model(trained, small_set(), "plain")
    assert len(losses) == EPOCHS
    assert losses[-1] < losses[0]
    assert not trained.training
    readable = Path("readable")
    readable.touch()
    assert (FOLDER / "plain.safetensors").stat().st_mode == readable.stat().st_mode
    assert "plain, quick profile: 10 epochs on 128 images" in capsys.readouterr().out
    again = model()
    assert train_model(again, small_set(), "plain") == losses
    assert len(seen) == EPOCHS
    for name, weight in again.state_dict().items():
        # They were kept in half precision.
        torch.testing.assert_close(weight, trained.state_dict()[name], rtol=2**-10, atol=1e-6)


@pytest.mark.parametrize("change", ["transform", "seed", "shape", "count"])
def test_another_experiment_is_trained_anew(monkeypatch, change):
    train_model(model(), small_set(), "plain")
    seen = epochs_trained(monkeypatch)
    other = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)) if change == "shape" else model()
    images = small_set(nn.Identity() if change == "transform" else None, 64 if change == "count" else 128)
    train_model(other, images, "plain", seed=5 if change == "seed" else 0)
    assert len(seen) == EPOCHS


def test_transforms_are_told_apart_by_their_text():
    def turned(image):
        return image.flip(1)

    def mirrored(image):
        return image.flip(2)

    keys = {rotation_training._key(model(), small_set(transform), 0) for transform in (None, turned, mirrored, turned)}
    assert len(keys) == 3


def test_training_goes_on_after_an_interruption(monkeypatch):
    whole_losses = train_model(model(), small_set(), "whole")
    seen, inner = [], rotation_training._train_epoch

    def interrupted(*arguments):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(arguments[3])
        return inner(*arguments)

    monkeypatch.setattr(rotation_training, "_train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_model(model(), small_set(), "plain")
    assert len(json.loads((FOLDER / "plain.json").read_text())["losses"]) == 3
    monkeypatch.setattr(rotation_training, "_train_epoch", inner)
    later = epochs_trained(monkeypatch)
    losses = train_model(model(), small_set(), "plain")
    assert len(later) == EPOCHS - 3
    # The optimizer goes on, too. Threads may add in another order.
    assert losses == pytest.approx(whole_losses, rel=1e-4)
    assert list(Path("cache/checkpoints").iterdir()) == []


def test_a_damaged_checkpoint_costs_only_time(monkeypatch, capsys):
    key = rotation_training._key(model(), small_set(), 0)
    (runs.cache_folder("checkpoints") / f"1b_rotation-plain-{key}.pt").write_bytes(b"nothing")
    assert len(train_model(model(), small_set(), "plain")) == EPOCHS
    assert "can't be read" in capsys.readouterr().out


def test_the_transform_is_applied_anew_to_each_image():
    calls = []

    def counted(image):
        assert image.shape == (3, 32, 32)
        calls.append(torch.rand(()).item())
        return image

    before = torch.get_rng_state()
    train_model(model(), small_set(counted, 64), "counted")
    assert len(calls) == 64 * EPOCHS
    assert len(set(calls)) == len(calls)
    assert torch.equal(torch.get_rng_state(), before)


def test_under_nbgrader_the_weights_handed_in_are_loaded(monkeypatch):
    trained = model()
    losses = train_model(trained, small_set(), "plain")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    seen = epochs_trained(monkeypatch)
    loaded = model()
    # Whatever the data is: there may be another set where submissions are graded.
    assert train_model(loaded, small_set(count=64), "plain") == losses
    assert seen == []
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(loaded(image), trained(image), rtol=1e-2, atol=1e-2)


def test_under_nbgrader_a_few_batches_without_weights(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    assert len(train_model(model(), small_set(count=1_000), "plain")) == 1
    assert "no trained weights were handed in; 5 batches are trained" in capsys.readouterr().out
    assert not (FOLDER / "plain.safetensors").exists()


@pytest.mark.parametrize("content", [b"", b"no tensors", None])
def test_weights_that_do_not_fit_are_named(monkeypatch, content):
    train_model(model(), small_set(), "plain")
    if content is not None:
        (FOLDER / "plain.safetensors").write_bytes(content)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    other = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(CourseError, match=r"plain\.safetensors does not fit this model .* delete it, then train again"):
        train_model(other, small_set(), "plain")


def test_accuracies_are_measured_once_more_but_not_under_nbgrader(monkeypatch, capsys):
    assert kept_accuracies("plain", lambda: [0.5, 1]) == [0.5, 1.0]
    assert kept_accuracies("plain", lambda: [0.25]) == [0.25]
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert kept_accuracies("plain", lambda: [0.0]) == [0.25]
    assert kept_accuracies("other", lambda: [0.75]) == [0.75]
    assert "no accuracies were handed in" in capsys.readouterr().out


@pytest.mark.parametrize("values", [None, [50.0], [-0.1], ["1"], torch.ones(2)])
def test_what_is_no_accuracy_is_refused(values):
    with pytest.raises(CourseError, match="plain: expected a list of accuracies between 0 and 1"):
        kept_accuracies("plain", lambda: values)
    assert not list(FOLDER.glob("plain*"))


def test_figures_say_what_is_smaller(monkeypatch):
    digits = ImageSet(torch.zeros(1), torch.zeros(1), ("0",), "embedded digits")
    assert profile_note("full", small_set()) == ""
    assert profile_note("quick", small_set()) == " (quick profile)"
    assert profile_note("full", digits) == " (embedded digits)"
    assert profile_note(None, digits) == " (quick profile, embedded digits)"
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert profile_note(None, small_set()) == " (quick profile, embedded digits)"


def test_images_of_the_sweep():
    images, labels = sweep_images(small_set(count=3_000), "quick")
    assert images.shape == (2_000, 3, 32, 32)
    assert (images.dtype, labels.shape) == (torch.float32, (2_000,))
    assert images.unique().tolist() == pytest.approx([0, 200 / 255])
    assert len(sweep_images(small_set(count=3_000), "full")[0]) == 3_000
