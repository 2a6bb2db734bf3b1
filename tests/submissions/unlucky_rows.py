"""Accidents of honest students that came up in no other list: a file of Colab's, own modules, debuggers, windows."""

from __future__ import annotations

import json

from exercise import Case, Handed


def _colab(handed: Handed) -> None:
    """As Colab saves a notebook: nbformat 4.0, no ids, texts as lists of lines, outputs, its own metadata."""
    own = [
        "!pip install -q torchinfo",
        "from google.colab import drive\ndrive.mount('/content/drive')",
        "%cd /content/drive/MyDrive/homework",
        "from tqdm.notebook import tqdm\nfor i in tqdm(range(2)):\n    print(i)",
        '#@title Settings { run: "auto" }\nwidth = 3 #@param {type:"slider", min:0, max:9}',
    ]
    handed.before("scale-demo", *own)
    cells = []
    for number, cell in enumerate(handed.notebook["cells"]):
        name = cell.pop("id")
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
        cell["metadata"] |= {"id": f"x{number}{name}", "colab": {"base_uri": "https://localhost:8080/", "height": 49}}
        if cell["cell_type"] == "code":
            view = {"version_major": 2, "version_minor": 0, "model_id": "7d9f"}
            data = {"application/vnd.jupyter.widget-view+json": view, "text/plain": ["  0%|          | 0/2"]}
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
            cell["execution_count"] = number
        cells.append(cell)
    state = {
        "7d9f": {"model_module": "@jupyter-widgets/controls", "model_name": "HBoxModel", "state": {"box_style": ""}}
    }
    metadata = {
        "colab": {"name": "exercise.ipynb", "provenance": [], "collapsed_sections": [], "gpuType": "T4"},
        "accelerator": "GPU",
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "widgets": {"application/vnd.jupyter.widget-state+json": state},
    }
    made = {"nbformat": 4, "nbformat_minor": 0, "metadata": metadata, "cells": cells}
    (handed.folder / "exercise.ipynb").write_text(json.dumps(made, indent=2))


def _own_modules(handed: Handed) -> None:
    """Helpers beside the notebook: one is called like a module of Python, one like an installed package."""
    (handed.folder / "test.py").write_text("def divided(x):\n    return x / x.norm()\n")
    (handed.folder / "toml.py").write_text("twice = 2\n")
    (handed.folder / "fractions.py").write_text("raise SystemExit('a library has taken this file')\n")
    handed.answer("q2_norm", "from test import divided\nimport statistics\n\ndef unit(x):\n    return divided(x)")
    handed.answer("q1_double", "import toml\n\ndef double(x):\n    return toml.twice * x")
    handed.write()


def _pool(handed: Handed) -> None:
    made = (
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(2)\nlist(pool.map(abs, [1, 2]))"
    )
    handed.before("q1_double", made)
    handed.answer("q1_double", "def double(x):\n    return list(pool.map(lambda value: 2 * value, [x]))[0]")
    handed.write()


def _answers(**sources: str):
    def make(handed: Handed) -> None:
        for name, source in sources.items():
            handed.answer(name, source)
        handed.write()

    return make


WINDOW = (
    "def unit(x):\n    import matplotlib\n    matplotlib.use('TkAgg', force=True)\n"
    "    import matplotlib.pyplot as plt\n    plt.figure()\n    return x / x.norm()"
)


def _checkpoint(handed: Handed) -> None:
    (handed.folder / ".ipynb_checkpoints").mkdir()
    handed.write(".ipynb_checkpoints/exercise-checkpoint.ipynb")


CASES = [
    Case("colab", "a whole file of Colab, with its widgets, ids and a drive", _colab),
    Case("own-modules", "own modules that are called like one of Python and like a package", _own_modules),
    Case("pool", "a pool of threads that was made in another cell", _pool),
    Case("window", "an answer that wants a window for its figure", _answers(q2_norm=WINDOW), (2, 0, 2), ("there is no screen where it is graded",)),  # noqa: E501
    Case("breakpoint", "a breakpoint left in an answer", _answers(q2_norm="def unit(x):\n    breakpoint()\n    return x / x.norm()"), (2, 0, 2), ("breakpoint() have nobody to ask",)),  # noqa: E501
    Case("checkpoint", "only a checkpoint of Jupyter", _checkpoint, (0, 0, 0), ("holds what Jupyter has kept",)),
]  # fmt: skip
