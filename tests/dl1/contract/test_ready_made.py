"""What may not be used is refused under whatever name it runs, and nothing else is."""

import sys

import pytest
import torch
import torch.nn.functional as F
import torch_geometric.nn
import torch_geometric.utils
from torch import nn
from torch.nn.functional import rms_norm as under_another_name

from dl1 import without_ready_made
from dl1.errors import CourseError

X = torch.arange(8.0).view(2, 4)
EDGES = torch.tensor([[0, 1], [1, 0]])


class Derived(nn.RMSNorm):
    def forward(self, x):
        return x


class OwnMessages(torch_geometric.nn.MessagePassing):
    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)


class RMSNorm(nn.Module):
    """A student's own, of the same name."""

    def forward(self, x):
        return self.rms_norm(x)

    def rms_norm(self, x):
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt()


def caught_and_called_again():
    try:
        F.rms_norm(X, (4,))
    except Exception:
        return F.rms_norm(X, (4,))


RMS_NORM = ["torch.nn.functional.rms_norm", "torch.nn.RMSNorm"]
ATTENTION = ["torch.nn.MultiheadAttention"]
FUSED = ["torch.nn.functional.scaled_dot_product_attention"]


@pytest.mark.parametrize(
    ("names", "call"),
    [
        (RMS_NORM, lambda: F.rms_norm(X, (4,))),
        (RMS_NORM, lambda: under_another_name(X, (4,))),
        (RMS_NORM, lambda: torch.rms_norm(X, (4,))),
        (RMS_NORM, lambda: torch.ops.aten.rms_norm(X, (4,))),
        (RMS_NORM, lambda: torch.ops.aten.rms_norm.default(X, (4,))),
        (RMS_NORM, lambda: torch.func.vmap(lambda x: F.rms_norm(x, (4,)))(X)),
        (RMS_NORM[:1], lambda: nn.RMSNorm(4)(X)),
        (RMS_NORM[1:], lambda: nn.RMSNorm(4)),
        (RMS_NORM[1:], lambda: Derived(4)),
        (RMS_NORM, caught_and_called_again),
        (ATTENTION, lambda: nn.MultiheadAttention(4, 1)),
        (FUSED, lambda: nn.MultiheadAttention(4, 1)(X, X, X, need_weights=False)),
        (["torch.softmax"], lambda: X.softmax(-1)),
        (["torch.Tensor.softmax"], lambda: nn.Softmax(-1)(X)),
        (["torch_geometric.nn.*"], lambda: torch_geometric.nn.GCNConv(4, 2)(X, EDGES)),
        (["torch_geometric.nn.*"], lambda: torch_geometric.nn.SimpleConv()(X, EDGES)),
        (["torch_geometric.nn.*"], lambda: OwnMessages()(X, EDGES)),
        (["torch_geometric.nn.GCNConv"], lambda: torch_geometric.nn.GCNConv(4, 2)),
        (["torch_geometric.utils.to_dense_adj"], lambda: torch_geometric.utils.to_dense_adj(EDGES)),
    ],
)
def test_a_call_is_refused(names, call):
    with pytest.raises(CourseError, match="is what this question asks you to write"), without_ready_made(*names):
        call()
    assert sys.getprofile() is None


def test_a_layer_that_was_made_outside_is_refused_when_it_is_called():
    layer = nn.RMSNorm(4)
    for call in (layer, layer.forward):
        with pytest.raises(CourseError, match=r"^nn\.RMSNorm is what"), without_ready_made("torch.nn.RMSNorm"):
            call(X)


def test_the_text_names_it_as_a_student_writes_it():
    with pytest.raises(CourseError, match=r"^F\.rms_norm is what"), without_ready_made(*RMS_NORM):
        F.rms_norm(X, (4,))
    text = r"^torch_geometric\.nn\.GCNConv is what"
    with pytest.raises(CourseError, match=text), without_ready_made("torch_geometric.nn.*"):
        torch_geometric.nn.GCNConv(4, 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: nn.Linear(4, 4)(X),
        lambda: nn.LayerNorm(4)(X),
        lambda: RMSNorm()(X),
        lambda: torch.func.vmap(RMSNorm())(X),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.GELU())(X).sum().backward(),
        lambda: torch.zeros(3).index_add_(0, EDGES[0], torch.ones(2)),
        lambda: "to_dense_adj".removeprefix("softmax"),
    ],
)
def test_all_else_is_left_alone(call):
    with without_ready_made(*RMS_NORM, *ATTENTION, "torch_geometric.nn.*", "torch_geometric.utils.to_dense_adj"):
        call()


def test_the_answers_own_error_is_its_own_and_a_profiler_is_put_back():
    seen = []

    def profiler(frame, event, argument):
        seen.append(event)

    sys.setprofile(profiler)
    try:
        with pytest.raises(ZeroDivisionError), without_ready_made(*RMS_NORM):
            1 / 0  # noqa: B018
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    F.rms_norm(X, (4,))


@pytest.mark.parametrize("name", ["rms_norm", "", "torch.", None])
def test_a_name_without_its_package_is_refused(name):
    with pytest.raises(CourseError, match="with its package"), without_ready_made(name):
        pass
