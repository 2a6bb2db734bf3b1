"""The padding experiment as a whole: all initialisations of a network, over all cores, kept as they finish."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.notebook.devices import fastest_precision
from dl1.padding.kept_nets import KEPT_SEED, keep_weights, packed, weights_file
from dl1.padding.nets import CONV_TYPES, NET_TYPES
from dl1.padding.training import train_net

EXPERIMENT = "1a_padding"


@dataclass(frozen=True)
class Profile:
    """How much is trained: initialisations per configuration, and epochs at most."""

    initialisations: int
    epochs: int


PROFILES = {"quick": Profile(1, 15), "standard": Profile(3, 50), "full": Profile(10, 50)}


class Results(dict[str, list[dict[str, float]]]):
    """By conv_type, a dict for each initialisation with its accuracies "validation" and "test", in [0, 1].

    Attributes:
        note: what a figure has to say about them, such as "quick profile"; empty for the full one.
    """

    note: str = ""


def train_configurations(
    net_type: str,
    profile: str | None = None,
    conv_types: Sequence[str] = CONV_TYPES,
    processes: int | None = None,
) -> Results:
    """Train and test a network with every kind of padding.

    Each initialisation is kept under ``runs/1a_padding`` as soon as it is finished. Interrupt whenever you like: the
    next call takes what is there and trains the rest. While nbgrader validates or grades, nothing is trained: the
    results come from the files that were handed in, and where there are none, from one batch of images.

    Args:
        net_type: "Net1" or "Net2".
        profile: "quick" (one initialisation, 15 epochs), "standard" (three, 50) or "full" (ten, 50); the full one
            with a GPU, else the quick one, if left out.
        conv_types: which kinds of padding, of :data:`~dl1.padding.nets.CONV_TYPES`.
        processes: how many initialisations at a time on a CPU; as many as there are cores, if left out.

    Raises:
        CourseError: there is no such net, padding or profile; or a file with results is damaged.
    """
    if net_type not in NET_TYPES or not set(conv_types) <= set(CONV_TYPES):
        raise CourseError(f"net_type is one of {', '.join(NET_TYPES)}, conv_types are from {', '.join(CONV_TYPES)}")
    folder = runs.run_folder(EXPERIMENT)
    if runs.is_rerun():
        return _handed_in(folder, net_type, conv_types)
    name = runs.choose_profile(profile, list(PROFILES))
    chosen = PROFILES[name]
    print(f"{net_type}, {name} profile: {chosen.initialisations} initialisations, {chosen.epochs} epochs at most")
    kept = {conv_type: _load(folder, net_type, conv_type, chosen.epochs) for conv_type in conv_types}
    missing = [
        (net_type, conv_type, seed, chosen.epochs)
        for conv_type in conv_types
        for seed in range(chosen.initialisations)
        if seed not in kept[conv_type] or not _has_weights(folder, net_type, conv_type, seed, chosen.epochs)
    ]
    total = len(conv_types) * chosen.initialisations
    with tqdm(total=total, initial=total - len(missing), desc=net_type, unit="net") as progress:
        for (_, conv_type, seed, epochs), run, weights in _trained(missing, processes):
            kept[conv_type][seed] = run
            if seed == KEPT_SEED:
                keep_weights(folder / weights_file(net_type, conv_type, epochs), weights)
            _save(folder, net_type, conv_type, epochs, kept[conv_type])
            runs.log_curves(EXPERIMENT, f"{net_type}-{conv_type}-{seed}", {"validation loss": run["curve"]})
            progress.set_postfix_str(f"{conv_type}: {run['test']:.1%} of the test set")
            progress.update()
    results = Results(
        {conv_type: [kept[conv_type][seed] for seed in range(chosen.initialisations)] for conv_type in conv_types}
    )
    results.note = "" if name == "full" else f"{name} profile"
    return results


def result_file(net_type: str, conv_type: str, epochs: int) -> str:
    """Name of the file with the runs of one configuration, which profiles with as many epochs share."""
    return f"{net_type}-{conv_type}-{epochs}-epochs.json"


def kept_results(folder: Path, net_type: str, conv_type: str) -> tuple[int, dict[int, dict[str, Any]]]:
    """Epochs at most and the runs by seed of the largest profile with results of a configuration; 0 and none without.

    Raises:
        CourseError: a file with results is damaged.
    """
    for epochs in sorted({profile.epochs for profile in PROFILES.values()}, reverse=True):
        if found := _load(folder, net_type, conv_type, epochs):
            return epochs, dict(sorted(found.items()))
    return 0, {}


def _has_weights(folder: Path, net_type: str, conv_type: str, seed: int, epochs: int) -> bool:
    """Whether nothing is missing beside the result of a seed: results of an older version have no weights."""
    return seed != KEPT_SEED or (folder / weights_file(net_type, conv_type, epochs)).exists()


def _trained(jobs: Sequence[tuple], processes: int | None) -> Iterator[tuple[tuple, dict[str, Any], bytes]]:
    if not jobs:
        return
    if torch.cuda.is_available():
        for job in jobs:
            yield _train(job, "cuda")
        return
    count = min(len(jobs), processes or os.cpu_count() or 1)
    # Started afresh, not forked: a fork of a process in which torch has computed may hang.
    with multiprocessing.get_context("spawn").Pool(count, _one_thread) as pool:
        yield from pool.imap_unordered(_train, jobs)


def _one_thread() -> None:
    torch.set_num_threads(1)
    # Jupyter interrupts all processes of a kernel; this one is ended by the one that started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _train(job: tuple, device: str = "cpu") -> tuple[tuple, dict[str, Any], bytes]:
    net_type, conv_type, seed, epochs = job
    net, run = train_net(net_type, conv_type, seed, epochs, device, fastest_precision(device))
    return job, run, packed(net)


def _handed_in(folder: Path, net_type: str, conv_types: Sequence[str]) -> Results:
    results = Results(
        {conv_type: list(kept_results(folder, net_type, conv_type)[1].values()) for conv_type in conv_types}
    )
    counts = {len(found) for found in results.values()}
    if 0 in counts:
        print(f"{net_type}: no complete results were handed in; one batch of images is trained for what is missing.")
        results.note = "no results were handed in, trained on one batch of images"
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for conv_type in conv_types:
                results[conv_type] = results[conv_type] or [_glimpse(net_type, conv_type)]
        finally:
            torch.set_num_threads(threads)
    elif counts != {PROFILES["full"].initialisations}:
        results.note = "reduced profile"
    return results


def _glimpse(net_type: str, conv_type: str) -> dict[str, Any]:
    """What a network says after a single batch."""
    _, run = train_net(net_type, conv_type, 0, epochs=1, precision=fastest_precision("cpu"), most_batches=1)
    return run


def _load(folder: Path, net_type: str, conv_type: str, epochs: int) -> dict[int, dict[str, Any]]:
    path = folder / result_file(net_type, conv_type, epochs)
    saved = runs.load_result(path)
    if saved is None:
        return {}
    try:
        found = {run["seed"]: run for run in saved["runs"]}
        sound = all(type(seed) is int and _is_accuracy(run) for seed, run in found.items())
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise CourseError(f"{path} holds no results of this experiment: delete it, then run the cell again")
    return found


def _is_accuracy(run: dict[str, Any]) -> bool:
    return all(runs.is_share(run[split]) for split in ("validation", "test"))


def _save(folder: Path, net_type: str, conv_type: str, epochs: int, found: dict[int, dict[str, Any]]) -> None:
    result = {
        "net_type": net_type,
        "conv_type": conv_type,
        "epochs": epochs,
        "runs": [found[seed] for seed in sorted(found)],
    }
    runs.save_result(folder / result_file(net_type, conv_type, epochs), result)
