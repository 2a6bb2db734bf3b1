"""What a padding experiment that was handed in claims, and the accuracies that its kept weights have.

The student's side reads files and passes numbers on; the checker puts the weights into a network of its own and
measures that on images of its own, so that nothing of the submission computes what is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from dl1.contract.cards import failure
from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.padding import kept_nets
from dl1.padding.nets import CONV_TYPES, NET_TYPES
from dl1.padding.runs import EXPERIMENT, kept_results


def handed_in_runs(net_type: str) -> dict[str, Any]:
    """What the results beside the notebook say: "problem", empty if they are usable, "epochs" at most, and "runs".

    Returns:
        "runs" by conv_type, a list with a dict for each initialisation: "seed", "validation", "test".

    Raises:
        NotImplementedError: there are none of this network yet.
    """
    folder = runs.run_folder(EXPERIMENT)
    try:
        found = {conv_type: kept_results(folder, net_type, conv_type) for conv_type in CONV_TYPES}
    except CourseError as error:
        return {"problem": str(error)}
    missing = [conv_type for conv_type, (_, kept) in found.items() if not kept]
    if len(missing) == len(CONV_TYPES):
        raise NotImplementedError(
            f"train {net_type} first: runs/{EXPERIMENT} has no results of it; the cell above trains it"
        )
    if missing:
        return {"problem": f"{net_type} has no results yet with {', '.join(missing)}: run the cell above to its end"}
    return {
        "problem": "",
        "runs": {
            conv_type: [{name: run[name] for name in ("seed", "validation", "test")} for run in kept.values()]
            for conv_type, (_, kept) in found.items()
        },
    }


def handed_in_weights(net_type: str, conv_type: str) -> dict[str, torch.Tensor]:
    """Weights by name of the first initialisation of a configuration, as they were handed in.

    Raises:
        CourseError: there are none, or the file holds something else.
    """
    folder = runs.run_folder(EXPERIMENT)
    epochs, _ = kept_results(folder, net_type, conv_type)
    return kept_nets.load_weights(folder / kept_nets.weights_file(net_type, conv_type, epochs))


def measured_accuracies(
    ask: Callable[[str, str], Any], claimed: Mapping[str, Any], net_type: str, conv_type: str
) -> dict[str, tuple[float, float]]:
    """Claimed and measured accuracy of a kept network by split, on the images of the experiment.

    Args:
        ask: from net_type and conv_type to the weights by name: a probe.
        claimed: of :func:`handed_in_runs`, or anything.

    Raises:
        CheckFailed: claim or weights are none.
    """
    runs_of = claimed.get("runs") if isinstance(claimed, Mapping) else None
    if net_type not in NET_TYPES or not isinstance(runs_of, Mapping) or sorted(runs_of) != sorted(CONV_TYPES):
        raise failure("wrong value", "kinds of padding with results", list(CONV_TYPES), _cut(runs_of))
    found = runs_of[conv_type] if isinstance(runs_of[conv_type], list) else []
    kept = [run for run in found if isinstance(run, Mapping) and run.get("seed") == kept_nets.KEPT_SEED]
    if not kept or not all(runs.is_share(kept[0].get(split)) for split in ("validation", "test")):
        raise failure(
            "wrong value", f"results of seed {kept_nets.KEPT_SEED}, {conv_type}", "two accuracies", _cut(found)
        )
    try:
        net = kept_nets.net_of(net_type, conv_type, ask(net_type, conv_type))
    except CourseError as error:
        raise failure(
            "wrong value", f"weights of {net_type} with {conv_type}", "those of this network", error
        ) from None
    return {split: (float(kept[0][split]), kept_nets.accuracy(net, split)) for split in ("validation", "test")}


def _cut(value: Any) -> str:
    return str(value)[:200]
