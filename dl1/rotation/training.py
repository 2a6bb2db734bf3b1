"""Training of the rotation experiment's network, and its results under ``runs/1b_rotation``."""

from __future__ import annotations

import hashlib
import inspect
import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm.auto import tqdm

from dl1.data.images import ImageSet
from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.notebook.places import write_whole

EXPERIMENT = "1b_rotation"
BATCH = 64
LEARNING_RATE = 1e-3
_FEW_BATCHES = 5


@dataclass(frozen=True)
class Profile:
    """How much is used: training images, epochs, and test images for each angle; None for all."""

    images: int | None
    epochs: int
    test_images: int | None


PROFILES = {"quick": Profile(10_000, 5, 2_000), "full": Profile(None, 10, None)}
# A small set needs all its epochs to be learned at all.
_SMALL = 5_000


def profile_note(profile: str | None, dataset: ImageSet) -> str:
    """What a figure's title has to add, as " (quick profile, embedded digits)"; nothing for the whole experiment."""
    if runs.is_rerun():
        saved = runs.load_result(runs.run_folder(EXPERIMENT) / "profile.json") or {}
        return str(saved.get("note", " (no results were handed in)"))
    name = runs.choose_profile(profile, list(PROFILES))
    parts = [*([] if name == "full" else [f"{name} profile"]), *([] if dataset.name == "CIFAR-10" else [dataset.name])]
    note = f" ({', '.join(parts)})" if parts else ""
    runs.save_result(runs.run_folder(EXPERIMENT) / "profile.json", {"note": note})
    return note


def sweep_images(test_set: ImageSet, profile: str | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Test images as floats (N, 3, 32, 32) in [0, 1] and labels (N,): as many as the profile measures, 2,000 or all."""
    few = PROFILES["quick"].test_images if runs.is_rerun() else None
    most = few or PROFILES[runs.choose_profile(profile, list(PROFILES))].test_images or len(test_set)
    return test_set.images[:most].float() / 255, test_set.labels[:most]


def train_model(
    model: nn.Module,
    training_set: ImageSet,
    name: str,
    profile: str | None = None,
    seed: int = 0,
) -> list[float]:
    """Train a classifier with Adam (learning rate 1e-3, batches of 64), or load what was trained before.

    The weights go to ``runs/1b_rotation/<name>.safetensors`` and the losses beside them, after every epoch: interrupt
    whenever you like, the next call goes on with the next epoch. A model that was trained with the same images,
    transform, profile and shapes is loaded. While nbgrader validates or grades, nothing is trained: the weights are
    those that were handed in, and where there are none, those of five batches.

    Args:
        model: from images (B, 3, 32, 32) to logits (B, classes); it ends in eval mode, on the device used.
        training_set: its transform is applied to each image (3, 32, 32) anew in every epoch.
        name: of the result, such as "plain".
        profile: "quick" (10,000 images, 5 epochs) or "full" (all images, 10 epochs); the full one with a GPU, else the
            quick one, if left out. A set of fewer than 5,000 images is trained for 10 epochs in both.
        seed: of the order of the images and of the transform's randomness.

    Returns:
        The mean loss of every epoch.

    Raises:
        CourseError: there is no such profile, or saved weights don't fit the model.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device, memory_format=torch.channels_last)
    weights = runs.run_folder(EXPERIMENT) / f"{name}.safetensors"
    record = weights.with_suffix(".json")
    if runs.is_rerun():
        return _handed_in(model, training_set, weights, record)
    chosen = runs.choose_profile(profile, list(PROFILES))
    images = training_set if PROFILES[chosen].images is None else training_set.first(PROFILES[chosen].images)
    epochs = PROFILES["full"].epochs if len(images) < _SMALL else PROFILES[chosen].epochs
    key = _key(model, images, seed)
    checkpoint = runs.cache_folder("checkpoints") / f"{EXPERIMENT}-{name}-{key}.pt"
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    losses = _resumed(model, optimizer, weights, record, checkpoint, key, epochs)
    if len(losses) >= epochs:
        print(f"{name}: trained before ({len(losses)} epochs on {len(images):,} images); loaded from {weights.name}")
        model.eval()
        return losses[:epochs]
    print(f"{name}, {chosen} profile: {epochs} epochs on {len(images):,} images of {images.name}")
    for epoch in range(len(losses), epochs):
        losses.append(_train_epoch(model, optimizer, images, seed + 1_000 * epoch, f"{name} {epoch + 1}/{epochs}"))
        _save_checkpoint(checkpoint, model, optimizer, losses)
        _save_weights(model, weights)
        runs.save_result(record, {"key": key, "losses": losses, "images": len(images), "data": images.name})
    checkpoint.unlink(missing_ok=True)
    runs.log_curves(EXPERIMENT, name, {"training loss": losses})
    model.eval()
    return losses


def kept_accuracies(name: str, measure: Callable[[], Sequence[float]]) -> list[float]:
    """Accuracies from a function, kept under ``runs/1b_rotation``; while nbgrader grades, those that were handed in.

    Args:
        name: of the result, such as "plain".
        measure: gives the accuracies, each in [0, 1].

    Raises:
        CourseError: the function gives something else, or the file is damaged.
    """
    path = runs.run_folder(EXPERIMENT) / f"{name}-accuracies.json"
    if runs.is_rerun():
        saved = runs.load_result(path)
        if saved is not None:
            return _accuracies(saved.get("accuracies"), path.name)
        print(f"{name}: no accuracies were handed in; they are measured now.")
        return _accuracies(measure(), name)
    accuracies = _accuracies(measure(), name)
    runs.save_result(path, {"accuracies": accuracies})
    return accuracies


def _accuracies(values: Any, name: str) -> list[float]:
    if not isinstance(values, (list, tuple)) or not all(
        isinstance(value, (int, float)) and 0 <= value <= 1 for value in values
    ):
        raise CourseError(f"{name}: expected a list of accuracies between 0 and 1")
    return [float(value) for value in values]


def _train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, images: ImageSet, seed: int, title: str) -> float:
    model.train()
    total = 0.0
    # Transforms draw from the global generator, whose state belongs to the notebook.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        order = torch.randperm(len(images))
        for batch, labels in tqdm(
            _batches(images, order, model), total=-(-len(images) // BATCH), desc=title, leave=False
        ):
            loss = F.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
    return total / len(images)


def _batches(images: ImageSet, order: torch.Tensor, model: nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    place = next(model.parameters()).device
    for chosen in order.split(BATCH):
        if images.transform is None:
            batch = images.images[chosen].float() / 255  # (B, 3, 32, 32)
        else:
            batch = torch.stack([images[i][0] for i in chosen.tolist()])  # (B, 3, 32, 32)
        yield batch.to(place, memory_format=torch.channels_last), images.labels[chosen].to(place)


def _handed_in(model: nn.Module, images: ImageSet, weights: Path, record: Path) -> list[float]:
    model.eval()
    saved = runs.load_result(record)
    if saved is not None and weights.is_file():
        _load_weights(model, weights)
        return [float(loss) for loss in saved.get("losses", [])]
    print(f"{weights.stem}: no trained weights were handed in; {_FEW_BATCHES} batches are trained.")
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    losses = [_train_epoch(model, optimizer, images.first(_FEW_BATCHES * BATCH), 0, weights.stem)]
    model.eval()
    return losses


def _resumed(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    weights: Path,
    record: Path,
    checkpoint: Path,
    key: str,
    epochs: int,
) -> list[float]:
    """Losses of the epochs that are done, with model and optimizer as they were after them."""
    saved = runs.load_result(record) or {}
    if saved.get("key") == key and len(saved["losses"]) >= epochs and weights.is_file():
        _load_weights(model, weights)
        return list(saved["losses"])
    if not checkpoint.is_file():
        return []
    try:
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return list(state["losses"])
    # Whatever a damaged file makes torch raise: training simply begins anew.
    except Exception as error:
        print(f"the checkpoint {checkpoint.name} can't be read ({type(error).__name__}): training begins anew")
        return []


def _save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]) -> None:
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}, buffer)
    write_whole(path, buffer.getvalue())


def _key(model: nn.Module, images: ImageSet, seed: int) -> str:
    """Changes with whatever the result depends on."""
    shapes = [(name, tuple(weight.shape)) for name, weight in model.state_dict().items()]
    parts = [images.name, len(images), _described(images.transform), type(model).__name__, shapes, seed]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _described(transform: Any) -> str:
    """Text that is the same for a transform that does the same, as far as its text or source tells."""
    if inspect.isfunction(transform):
        try:
            return textwrap.dedent(inspect.getsource(transform))
        except OSError:
            return str(id(transform))
    return repr(transform)


def _save_weights(model: nn.Module, path: Path) -> None:
    # Half precision, because the file travels with the submission.
    half = {name: weight.detach().half().contiguous().cpu() for name, weight in model.state_dict().items()}
    # Not save_file, whose files nobody else may read, graders among them.
    write_whole(path, safetensors.torch.save(half))


def _load_weights(model: nn.Module, path: Path) -> None:
    try:
        saved = safetensors.torch.load_file(path)
        model.load_state_dict({name: weight.float() for name, weight in saved.items()})
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CourseError(f"{path} does not fit this model ({reason}): delete it, then train again") from None
