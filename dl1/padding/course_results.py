"""The course's own results of the padding experiment, shown beside a student's as soon as there are some."""

from __future__ import annotations

import pandas as pd

from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.padding.nets import CONV_TYPES, NET_TYPES
from dl1.padding.runs import EXPERIMENT, kept_results

# Test accuracy in percent, mean and standard deviation over ten initialisations: docs/part1_results.md.
_NET1 = {
    "valid": (0.1, 0.1),
    "sconv": (4.9, 0.2),
    "fconv": (84.5, 0.7),
    "circular": (84.3, 4.1),
    "reflect": (0.0, 0.0),
    "replicate": (92.0, 1.7),
}
COURSE = dict(zip(NET_TYPES, (_NET1, dict.fromkeys(CONV_TYPES, (0.0, 0.0))), strict=True))


def course_table(net_type: str) -> pd.DataFrame:
    """Test accuracies in percent, a column per conv_type: a row for yours, one for the course's ten initialisations.

    Raises:
        CourseError: there is no such net.
        NotImplementedError: it has not been trained here with all kinds of padding, so there is nothing to compare.
    """
    if net_type not in NET_TYPES:
        raise CourseError(f"there is no net {net_type!r}: choose one of {', '.join(NET_TYPES)}")
    folder = runs.run_folder(EXPERIMENT)
    own = {conv_type: kept_results(folder, net_type, conv_type)[1] for conv_type in CONV_TYPES}
    if not all(own.values()):
        raise NotImplementedError(f"train {net_type} first: the course's numbers are shown beside yours")
    yours = {name: pd.Series([100 * run["test"] for run in found.values()]) for name, found in own.items()}
    rows = {
        "yours": {name: _words(values.mean(), values.std(ddof=0), len(values)) for name, values in yours.items()},
        "the course's (ten initialisations)": {
            name: _words(mean, spread, 10) for name, (mean, spread) in COURSE[net_type].items()
        },
    }
    return pd.DataFrame(rows).T


def _words(mean: float, spread: float, count: int) -> str:
    return f"{mean:.1f} ± {spread:.1f}" if count > 1 else f"{mean:.1f}"
