import hashlib
import io
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from dl1.data.citation_graph import load_citation_graph, quiet_torch_geometric
from dl1.data.folder import KnownData, packaged_data
from dl1.errors import CourseError

ROOT = Path(__file__).parents[3]
# The smallest with which PyG's reader is content: 14 papers to train on, 500 to validate on, 100 to test on.
PAPERS, LABELLED, TEST = 700, 14, 100


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder, named by DL1_DATA; the current folder belongs to no course."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("DL1_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def fake_cora(data, monkeypatch):
    """A small network in Cora's format, whose checksums the package is told; returns its folder."""
    rows = np.random.default_rng(0)
    words = (rows.random((PAPERS, 9)) < 0.4).astype(np.float32)
    words[5] = 0
    topics = np.eye(3, dtype=np.int32)[np.arange(PAPERS) % 3]
    known = PAPERS - TEST
    # The test papers come in an order of their own.
    test_index = np.arange(known, PAPERS)[::-1]
    graph = {paper: [(paper + 1) % PAPERS, paper - 1 if paper else PAPERS - 1] for paper in range(PAPERS)}
    # As in the real file: a citation twice, and one of the paper itself.
    graph[0] += [1, 0]
    contents = {
        "x": scipy.sparse.csr_matrix(words[:LABELLED]),
        "y": topics[:LABELLED],
        "allx": scipy.sparse.csr_matrix(words[:known]),
        "ally": topics[:known],
        "tx": scipy.sparse.csr_matrix(words[test_index]),
        "ty": topics[test_index],
        "graph": graph,
    }
    files = {f"ind.cora.{name}": pickle.dumps(content) for name, content in contents.items()}
    files["ind.cora.test.index"] = "".join(f"{paper}\n" for paper in test_index).encode()
    folder = data / "Cora" / "raw"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    checksums = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in files.items()}
    known_data = KnownData("cora", "Cora", (), None, None, "", "Cora/raw", checksums)
    monkeypatch.setattr("dl1.data.citation_graph.packaged_data", lambda name: {"cora": known_data}[name])
    return folder


def edges(graph):
    return set(zip(*graph.edge_index.tolist(), strict=True))


def check_form(graph):
    """What holds for every citation graph."""
    count = len(graph.y)
    assert graph.x.dtype == torch.float32
    assert graph.x.shape[0] == count
    assert graph.y.dtype == graph.edge_index.dtype == torch.int64
    assert graph.y.min() == 0
    assert graph.y.max() == graph.num_classes - 1
    for mask in (graph.train_mask, graph.val_mask, graph.test_mask):
        assert mask.dtype == torch.bool
        assert mask.shape == (count,)
    masks = torch.stack([graph.train_mask, graph.val_mask, graph.test_mask])
    assert masks.sum(dim=0).max() == 1
    assert graph.edge_index.is_contiguous()
    assert len(edges(graph)) == graph.edge_index.shape[1]
    assert edges(graph) == {(j, i) for i, j in edges(graph)}
    assert (graph.edge_index[0] != graph.edge_index[1]).all()
    sums = graph.x.sum(dim=1)
    # Up to 36 equal numbers are added, each rounded to 6e-8 of itself.
    torch.testing.assert_close(sums[sums > 0], torch.ones_like(sums[sums > 0]), atol=1e-5, rtol=0)


def test_cora_is_read_from_the_data_folder(fake_cora, capfd):
    graph = load_citation_graph()
    check_form(graph)
    assert graph.name == "Cora"
    assert not graph.is_embedded
    assert graph.x.shape == (PAPERS, 9)
    assert graph.num_classes == 3
    assert graph.y.tolist() == [paper % 3 for paper in range(PAPERS)]
    assert graph.train_mask.nonzero()[:, 0].tolist() == list(range(LABELLED))
    assert graph.val_mask.nonzero()[:, 0].tolist() == list(range(LABELLED, LABELLED + 500))
    assert graph.test_mask.nonzero()[:, 0].tolist() == list(range(PAPERS - TEST, PAPERS))
    assert len(edges(graph)) == 2 * PAPERS
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_words_are_divided_by_their_number_and_a_paper_without_words_has_none(fake_cora):
    graph = load_citation_graph()
    assert torch.equal(graph.x[5], torch.zeros(9))
    words = np.random.default_rng(0).random((PAPERS, 9)) < 0.4
    words[5] = False
    expected = torch.from_numpy(words / words.sum(axis=1, keepdims=True).clip(1)).float()
    # One division in single precision: 6e-8 of at most 1.
    torch.testing.assert_close(graph.x, expected, atol=1e-7, rtol=0)


def test_reading_leaves_the_data_folder_as_it_was(fake_cora, data):
    before = sorted(data.rglob("*"))
    load_citation_graph()
    assert sorted(data.rglob("*")) == before


def test_reading_leaves_the_filters_of_warnings_alone(fake_cora):
    before = list(warnings.filters)
    load_citation_graph()
    assert warnings.filters == before


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["ind.cora.graph", "ind.cora.x"])
def test_nothing_damaged_is_unpickled_and_nothing_stands_in(name, fake_cora, tmp_path, capsys):
    buffer = io.BytesIO()
    pickle.dump(Bomb(tmp_path / "went off"), buffer)
    (fake_cora / name).write_bytes(buffer.getvalue())
    with pytest.raises(CourseError, match=rf"{name} is damaged: python -m dl1.download cora puts Cora right"):
        load_citation_graph()
    assert not (tmp_path / "went off").exists()
    assert capsys.readouterr().out == ""


def test_missing_files_are_counted(fake_cora):
    for name in ("ind.cora.ty", "ind.cora.allx"):
        (fake_cora / name).unlink()
    with pytest.raises(CourseError, match="is missing, and 1 more: python -m dl1.download cora"):
        load_citation_graph()


def test_a_manifest_cant_bless_other_files(data):
    """They are pickles: only what the package itself knows is read."""
    content = pickle.dumps("other")
    (data / "Cora" / "raw").mkdir(parents=True)
    files = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name in packaged_data("cora").files}
    for name in files:
        (data / "Cora" / "raw" / name).write_bytes(content)
    lines = ['[cora]\ntitle = "Cora"\nurls = []\nfolder = "Cora/raw"\n[cora.files]']
    (data / "manifest.toml").write_text("\n".join([*lines, *(f'"{name}" = "{sum_}"' for name, sum_ in files.items())]))
    with pytest.raises(CourseError, match="is damaged, and 7 more"):
        load_citation_graph()


def test_without_torch_geometric_cora_is_no_riddle(fake_cora, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric.io", None)
    with pytest.raises(CourseError, match="pip install"):
        load_citation_graph()


def test_without_cora_a_made_up_network_stands_in_and_it_is_said(data, capfd):
    graph = load_citation_graph()
    check_form(graph)
    assert graph.name == "synthetic citations"
    assert graph.is_embedded
    assert graph.x.shape == (2708, 1433)
    assert graph.edge_index.shape == (2, 10_556)
    assert graph.num_classes == 7
    captured = capfd.readouterr()
    assert f"Cora was not found in {data.resolve()}" in captured.out
    assert "synthetic citations" in captured.out
    assert "python -m dl1.download cora" in captured.out
    assert len(captured.out.splitlines()) == 2
    assert captured.err == ""


def test_it_is_the_same_every_time(data):
    first, second = load_citation_graph(), load_citation_graph()
    for name in ("x", "y", "edge_index", "train_mask", "val_mask", "test_mask"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_the_representation_says_what_it_is(data):
    assert repr(load_citation_graph()) == (
        "CitationGraph('synthetic citations', 2,708 papers, 5,278 citations, 1,433 words, 7 topics)"
    )


def test_a_wrong_variable_is_no_reason_for_the_made_up_network(data, monkeypatch):
    monkeypatch.setenv("DL1_DATA", str(data / "missing"))
    with pytest.raises(CourseError, match="DL1_DATA"):
        load_citation_graph()


def test_inside_nothing_warns_and_after_it_everything_does_again():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_torch_geometric():
            warnings.warn("inside", FutureWarning, stacklevel=1)
        warnings.warn("after", FutureWarning, stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["after"]


def test_importing_torch_geometric_says_nothing(tmp_path):
    """In a fresh process, because a module is imported once."""
    program = (
        "from dl1.data.citation_graph import quiet_torch_geometric\n"
        "with quiet_torch_geometric():\n    import torch_geometric.nn\nprint('imported')"
    )
    command = [sys.executable, "-W", "always::FutureWarning", "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout == "imported\n"
    assert ended.stderr == ""


def test_the_real_cora(tmp_path, monkeypatch, capfd):
    real = os.environ.get("DL1_TEST_CORA")
    if not real:
        pytest.skip("no Cora: set DL1_TEST_CORA to the folder that holds Cora/raw")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DL1_DATA", str(Path(real).resolve()))
    graph = load_citation_graph()
    check_form(graph)
    assert repr(graph) == "CitationGraph('Cora', 2,708 papers, 5,278 citations, 1,433 words, 7 topics)"
    assert graph.y.bincount().tolist() == [351, 217, 418, 818, 426, 298, 180]
    assert graph.y[graph.train_mask].bincount().tolist() == [20] * 7
    assert (graph.val_mask.sum(), graph.test_mask.sum()) == (500, 1000)
    same = graph.y[graph.edge_index[0]] == graph.y[graph.edge_index[1]]
    # As published for this form of Cora, to the digits that are given: 0.81.
    assert round(same.float().mean().item(), 2) == 0.81
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
