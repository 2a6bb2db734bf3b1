"""Training of the graph networks: on a small graph of two groups."""

import json

import pytest
import torch
import torch.nn as nn

from dl1.data.citation_graph import CitationGraph
from dl1.errors import CourseError
from dl1.graphs import training as graph_training
from dl1.graphs.curves import accuracy_table, plot_curves
from dl1.graphs.training import GraphNet, Recipe, mean_convolution, train_layer
from dl1.notebook import runs

EXPERIMENT = "3a_graph_convolution"


class Mean(nn.Module):
    """Mean over incoming neighbours and the node itself, each with weights of its own."""

    factor = 1.0

    def __init__(self, in_features, out_features):
        super().__init__()
        self.neighbours = nn.Linear(in_features, out_features, bias=False)
        self.own = nn.Linear(in_features, out_features, bias=False)

    def forward(self, x, edge_index):
        heard = torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]])
        degrees = torch.bincount(edge_index[1], minlength=len(x)).clamp(min=1)
        return self.factor * self.neighbours(heard / degrees[:, None]) + self.own(x)


@pytest.fixture
def graph(one_thread) -> CitationGraph:
    """Forty nodes in two groups; features say the group, with noise; edges join nodes of a group."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(40) % 2
    x = torch.rand(40, 8, generator=generator)
    x[:, 0] += y
    pairs = [(i, j) for i in range(40) for j in range(40) if i != j and i % 2 == j % 2 and (i + j) % 3 == 0]
    masks = [torch.zeros(40, dtype=torch.bool) for _ in range(3)]
    masks[0][:10], masks[1][10:25], masks[2][25:] = True, True, True
    return CitationGraph(
        name="Cora",
        x=x,
        y=y,
        edge_index=torch.tensor(pairs).T.contiguous(),
        train_mask=masks[0],
        val_mask=masks[1],
        test_mask=masks[2],
        num_classes=2,
    )


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """The notebook's folder, and short recipes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DL1_PROFILE", raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    short = {
        "convolution": Recipe(8, 1, 0.2, 0.0, "relu", 0.05, 5e-4, 30),
        "attention": Recipe(3, 2, 0.2, 0.5, "elu", 0.05, 5e-4, 30),
    }
    monkeypatch.setattr(graph_training, "RECIPES", short)
    monkeypatch.setattr(graph_training, "PROFILES", {"quick": 1, "full": 3})
    return tmp_path


def test_it_learns_the_groups(graph, notebook):
    training = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT, profile="full")
    assert len(training.curves) == 3
    # By guessing, half of the nodes would be right.
    assert sum(training.test_accuracies()) / 3 > 0.8
    assert all(len(curve[split]) == 30 for curve in training.curves for split in ("loss", "training", "test"))


def test_heads_are_concatenated():
    net = GraphNet(Mean, 8, 2, Recipe(3, 5, 0.0, 0.0, "elu", 0.1, 0.0, 1))
    assert len(net.heads) == 5
    assert net.last.own.in_features == 15


def test_what_is_finished_is_loaded(graph, notebook, monkeypatch, capsys):
    first = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)
    monkeypatch.setattr(graph_training, "_train", lambda *_: pytest.fail("trained again"))
    again = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)
    assert again.curves == first.curves
    assert "loaded from mean.json" in capsys.readouterr().out


def test_an_interruption_costs_one_initialisation(graph, notebook, monkeypatch):
    real, calls = graph_training._train, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(graph_training, "_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_layer(Mean, graph, "mean", "convolution", EXPERIMENT, profile="full")
    training = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT, profile="full")
    # One before the interruption, the interrupted one, and two after it.
    assert len(calls) == 4
    monkeypatch.setattr(graph_training, "_train", real)
    undisturbed = train_layer(Mean, graph, "other", "convolution", EXPERIMENT, profile="full")
    assert training.curves == undisturbed.curves


def test_another_layer_is_trained_anew(graph, notebook):
    first = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)

    class Without(Mean):
        factor = 0.0

    assert train_layer(Without, graph, "mean", "convolution", EXPERIMENT).curves != first.curves


def test_global_generator_is_left_alone(graph, notebook):
    before = torch.get_rng_state()
    train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)
    assert torch.equal(before, torch.get_rng_state())


def test_grading_shows_what_was_handed_in(graph, notebook, monkeypatch):
    first = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(graph_training, "_train", lambda *_: pytest.fail("trained while grading"))
    shown = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)
    assert (shown.curves, shown.note, shown.data) == (first.curves, "one initialisation", "Cora")


def test_grading_without_a_run_takes_a_glimpse_and_writes_nothing(graph, notebook, monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    training = train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)
    assert len(training.curves[0]["validation"]) == 2
    assert training.note == "no results were handed in"
    assert "no results were handed in" in capsys.readouterr().out
    assert not list(notebook.rglob("*.json"))


@pytest.mark.parametrize(
    "curves", [None, [], [{}], [{"loss": [1]}], "text", [{k: [] for k in ("loss", "training", "validation", "test")}]]
)
def test_damaged_results_are_told(graph, notebook, monkeypatch, curves):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    path = runs.run_folder(EXPERIMENT) / "mean.json"
    path.write_text(json.dumps({"curves": curves}))
    with pytest.raises(CourseError, match="delete this file"):
        train_layer(Mean, graph, "mean", "convolution", EXPERIMENT)


@pytest.mark.parametrize("result", ["a word", None, torch.zeros(3, 2), torch.full((40, 2), torch.nan)])
def test_a_layer_that_returns_something_else_is_told(graph, notebook, result):
    class Strange(Mean):
        def forward(self, x, edge_index):
            return super().forward(x, edge_index) if self.own.out_features != 2 else result

    with pytest.raises(CourseError, match="run the checks of the layer first"):
        train_layer(Strange, graph, "mean", "convolution", EXPERIMENT)


def test_unknown_recipe_and_profile(graph, notebook):
    with pytest.raises(CourseError, match="convolution, attention"):
        train_layer(Mean, graph, "mean", "transformer", EXPERIMENT)
    with pytest.raises(CourseError, match="quick, full"):
        train_layer(Mean, graph, "mean", "attention", EXPERIMENT, profile="fast")


def test_test_accuracy_is_that_of_the_last_epoch():
    curve = {"loss": [0.0] * 4, "training": [1.0] * 4, "validation": [0.5, 0.8, 0.8, 0.7], "test": [0.1, 0.2, 0.3, 0.4]}
    assert graph_training.Training("mean", "convolution", "Cora", [curve]).test_accuracies() == [0.4]


def test_edges_are_dropped_in_training_only():
    seen = []

    class Counting(Mean):
        def forward(self, x, edge_index):
            seen.append(edge_index.shape[1])
            return super().forward(x, edge_index)

    net = GraphNet(Counting, 8, 2, Recipe(3, 4, 0.0, 0.5, "elu", 0.1, 0.0, 1))
    edges = torch.randint(30, (2, 2_000), generator=torch.Generator().manual_seed(0))
    net.train()(torch.ones(30, 8), edges)
    # Half of two thousand, within five standard deviations; each head and layer has its own.
    assert all(abs(count - 1_000) < 112 for count in seen)
    assert len(set(seen)) > 1
    seen.clear()
    net.eval()(torch.ones(30, 8), edges)
    assert seen == [2_000] * 5


def test_figure_and_table(graph, notebook):
    trainings = [
        train_layer(Mean, graph, name, recipe, EXPERIMENT, profile="full")
        for name, recipe in (("mean", "convolution"), ("heads", "attention"))
    ]
    figure = plot_curves(trainings)
    for axis, training in zip(figure.axes, trainings, strict=True):
        drawn = {line.get_label(): line.get_ydata() for line in axis.lines}
        assert set(drawn) == {"training", "validation"}
        expected = torch.tensor([curve["validation"] for curve in training.curves]).mean(0)
        # Numbers that are drawn were rounded to five places.
        assert torch.allclose(torch.tensor(drawn["validation"]).float(), expected, atol=1e-5)
        assert training.name in axis.get_title()
    table = accuracy_table(trainings)
    assert list(table["published on Cora (%)"]) == ["81.5", "83.0"]
    assert "±" in table.loc["mean", "test accuracy (%)"]


def test_deviations_divide_by_the_number_of_initialisations_as_in_part_1():
    curves = [{"test": [0.1, accuracy], "validation": [0.1, 0.8]} for accuracy in (0.8, 0.9)]
    table = accuracy_table([graph_training.Training("mean", "convolution", "a graph", curves)])
    assert table["test accuracy (%)"].tolist() == ["85.0 ± 5.0"]


def test_mean_convolution_is_the_students_own_if_it_works(notebook, capsys):
    (notebook / "graph_cnn.py").write_text(
        "import torch.nn as nn\n\n\nclass MessageGraphConvolution(nn.Linear):\n"
        "    def forward(self, x, edge_index):\n        return super().forward(x)\n"
    )
    assert mean_convolution().__name__ == "MessageGraphConvolution"
    assert "your MessageGraphConvolution" in capsys.readouterr().out


@pytest.mark.parametrize("module", [None, "raise NotImplementedError", "class MessageGraphConvolution: pass", "("])
def test_mean_convolution_is_pygs_where_there_is_none(notebook, capsys, module):
    if module is not None:
        (notebook / "graph_cnn.py").write_text(module)
    layer = mean_convolution()(3, 2)
    assert layer(torch.ones(2, 3), torch.tensor([[0], [1]])).shape == (2, 2)
    said = capsys.readouterr()
    assert "SAGEConv" in said.out
    assert said.err == ""
