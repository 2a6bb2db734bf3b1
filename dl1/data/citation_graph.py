"""A citation network whose papers are to be classified: Cora where it was downloaded, else a made-up one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from dl1.data.folder import KnownData, data_folder, packaged_data
from dl1.data.synthetic_citations import make_citations
from dl1.errors import CourseError

_CORA, _EMBEDDED = "Cora", "synthetic citations"
_HOW_TO_GET_IT = "python -m dl1.download cora"
_NEEDED = "Cora is read with torch_geometric and scipy: pip install 'dl1[notebooks]'"


@dataclass(frozen=True, eq=False, repr=False)
class CitationGraph:
    """Papers, their words, topics and citations, all on the CPU.

    Attributes:
        name: "Cora" or "synthetic citations".
        x: (N, F), float32: 1 / (number of the paper's words) for each word that occurs in it, else 0.
        y: (N,), int64: topics, from 0.
        edge_index: (2, E), int64: source and target of each edge; a citation is two edges, one in each direction. No
            edge occurs twice, none joins a paper with itself.
        train_mask: (N,), bool: the 20 papers of each topic whose labels may be used.
        val_mask: (N,), bool: 500 others.
        test_mask: (N,), bool: 1,000 others.
        num_classes: how many topics there are.
    """

    name: str
    x: torch.Tensor
    y: torch.Tensor
    edge_index: torch.Tensor
    train_mask: torch.Tensor
    val_mask: torch.Tensor
    test_mask: torch.Tensor
    num_classes: int

    def __repr__(self) -> str:
        papers, words = self.x.shape
        return (
            f"CitationGraph({self.name!r}, {papers:,} papers, {self.edge_index.shape[1] // 2:,} citations, "
            f"{words:,} words, {self.num_classes} topics)"
        )

    @property
    def is_embedded(self) -> bool:
        """Whether this is the made-up network that comes with the kit."""
        return self.name == _EMBEDDED


def load_citation_graph() -> CitationGraph:
    """Cora (2,708 papers, 5,278 citations) if it is in the data folder, else a made-up network of the same shape.

    Cora has the public split of Yang et al. (2016). When the made-up network stands in, the output says so, with the
    folder in which Cora was looked for and the command that downloads it. Nothing is written.

    Raises:
        CourseError: Cora is there but damaged, DL1_DATA is not a folder, or a package is missing.
    """
    # Not as a manifest says: the files are pickles, which run what whoever made them likes.
    data, cora = data_folder(), packaged_data("cora")
    if cora.is_in(data):
        return _cora(data, cora)
    graph = _synthetic()
    print(
        f"{cora.title} was not found in {data}: these are {graph.name} of the same shape instead "
        f"({len(graph.y):,} papers).\nThis command gets {cora.title}: {_HOW_TO_GET_IT}"
    )
    return graph


@contextmanager
def quiet_torch_geometric() -> Iterator[None]:
    """Within it, importing and using torch_geometric warns of nothing.

    The warnings are between it and torch: no reader can act on them, and nbgrader takes them for a failure because
    they go to stderr.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _cora(data: Path, known: KnownData) -> CitationGraph:
    problems = known.problems(data)
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise CourseError(f"{problems[0]}{more}: {_HOW_TO_GET_IT} puts {known.title} right; then run the cell again")
    with quiet_torch_geometric():
        try:
            from torch_geometric.io import read_planetoid_data  # slow to import, and not needed for the made-up network

            read = read_planetoid_data(str(data / known.folder), "cora")
        except ImportError:
            raise CourseError(_NEEDED) from None
    masks = read.train_mask, read.val_mask, read.test_mask
    return _graph(_CORA, read.x, read.y, read.edge_index, *masks)


def _synthetic() -> CitationGraph:
    return _graph(_EMBEDDED, *map(torch.from_numpy, make_citations()))


def _graph(
    name: str, words: torch.Tensor, y: torch.Tensor, edge_index: torch.Tensor, *masks: torch.Tensor
) -> CitationGraph:
    x = words.float()
    x = x / x.sum(dim=1, keepdim=True).clamp(min=1)  # (N, F) / (N, 1)
    return CitationGraph(name, x, y, edge_index.contiguous(), *masks, num_classes=int(y.max()) + 1)
