"""Results that took minutes and travel with the notebooks: whether they are all there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from dl1.handing_in.folder import Folder

# By notebook, which is also the name of the folder under runs/: what its figures and checks read, each as one of some
# patterns, and what a reader calls it.
_RESULTS = {
    "1a_padding": {"the results of Net1": ["Net1-*.json"], "the results of Net2": ["Net2-*.json"]},
    "1b_rotation": {
        "the plain model": ["plain.safetensors"],
        "its accuracies": ["plain-accuracies.json"],
        "the model trained with rotations": ["augmented.safetensors"],
        "the accuracies of that": ["augmented-accuracies.json"],
    },
    "2b_gpt_training": {"the record of the training": ["run.json"], "the weights": ["model.safetensors"]},
    "3a_graph_convolution": {"the layer with messages": ["messages.json"], "that with matrices": ["matrices.json"]},
    "3b_graph_attention": {"the graph convolution": ["graph_convolution.json"], "attention": ["graph_attention.json"]},
}


def missing_results(folder: Folder) -> Iterator[tuple[str, str]]:
    """Notebook and line for results that are missing or damaged.

    Of a notebook in which nothing was begun none are.
    """
    for name, wanted in _RESULTS.items():
        notebook = folder.notebooks.get(name)
        if notebook is None or all(
            one.untouched(cell.source)
            for one in notebook.expected
            if one.is_answer
            for cell in notebook.answers.found[one.name].cells
        ):
            continue
        own = folder.path / Path(notebook.path).parent / "runs" / name
        missing = [said for said, patterns in wanted.items() if not any(list(own.glob(one)) for one in patterns)]
        damaged = [path.name for path in sorted(own.glob("*.json")) if not _is_json(path)]
        if missing:
            words = "nothing" if len(missing) == len(wanted) else f"lacks {', '.join(missing)}"
            there = f"runs/{name} {'has ' if len(missing) == len(wanted) else ''}{words}"
            yield notebook.path, f"{there}: run its training cells to their end; grading trains nothing"
        if damaged:
            yield notebook.path, f"runs/{name}/{damaged[0]} can't be read: delete it, and run its training cell again"


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return True
