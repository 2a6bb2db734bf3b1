"""The table of optimizations: what is measured, what is said where something can't be, and nbgrader's own run."""

import math

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from dl1.errors import CourseError
from dl1.gpt import optimization_table
from dl1.gpt.optimization_table import BASELINE, COLUMNS, measure_optimizations, plot_optimizations
from dl1.notebook import runs

pytestmark = pytest.mark.usefixtures("one_thread")

VOCABULARY, WIDTH = 7, 8


class Tiny(nn.Module):
    block_size = 6

    def __init__(self, use_flash_attn):
        super().__init__()
        self.use_flash_attn = use_flash_attn
        self.embedding, self.head = nn.Embedding(VOCABULARY, WIDTH), nn.Linear(WIDTH, VOCABULARY)

    def forward(self, idx):
        x = self.embedding(idx)[:, None]  # (B, 1, T, C)
        if self.use_flash_attn:
            x = F.scaled_dot_product_attention(x, x, x, is_causal=True)
        return self.head(x[:, 0])


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    yield
    plt.close("all")


@pytest.fixture
def compiler(monkeypatch):
    """In place of torch.compile, which takes half a minute: the same model as another callable; counts its batches."""
    seen = set()

    def compiled(model):
        def forward(idx):
            seen.add(tuple(idx.shape))
            return model(idx)

        return forward

    monkeypatch.setattr("torch.compile", compiled)
    return seen


def kept():
    return runs.run_folder("2b_gpt_training") / "optimizations.json"


def test_every_row_is_measured_and_kept(compiler, monkeypatch):
    monkeypatch.setattr(optimization_table, "choose_dtype", lambda device: torch.bfloat16)
    asked = []

    def make_model(**changes):
        asked.append(changes)
        return Tiny(**changes)

    torch.manual_seed(3)
    before = torch.get_rng_state()
    table = measure_optimizations(make_model, seconds=0.01, batch_size=2, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert asked == [{"use_flash_attn": False}, {"use_flash_attn": True}]
    assert list(table.index) == [
        BASELINE,
        "+ fused attention",
        "+ mixed precision (bfloat16)",
        "+ torch.compile",
        "+ batch of 8 in place of 2",
    ]
    assert list(table.columns) == list(COLUMNS)
    assert (table["tokens/s"] > 0).all()
    assert table["ratio"].iloc[0] == 1.0
    # Both are rounded, the ratio to two digits.
    assert table["ratio"].tolist() == pytest.approx((table["tokens/s"] / table["tokens/s"].iloc[0]).tolist(), abs=0.01)
    assert table["note"].tolist() == [""] * 5
    assert table["compilation (s)"].isna().tolist() == [True, True, True, False, True]
    # The last row takes the model that was compiled in the one before.
    assert compiler == {(2, 6), (8, 6)}
    assert "parameters" in table.attrs["machine"]

    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    again = measure_optimizations(None)
    assert again.equals(table)
    assert again.attrs == table.attrs


def test_what_this_machine_cannot_do_is_said_and_left_out_of_later_rows(monkeypatch):
    monkeypatch.setattr(optimization_table, "choose_dtype", lambda device: torch.float32)

    def no_compiler(model):
        def forward(idx):
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nin a long list")

        return forward

    monkeypatch.setattr("torch.compile", no_compiler)
    table = measure_optimizations(Tiny, seconds=0.01, batch_size=2, device="cpu")
    assert table["note"].tolist()[2:] == [
        "this CPU is not faster in a narrower type",
        "no C++ compiler that works was found",
        "",
    ]
    assert table["tokens/s"].isna().tolist() == [False, False, True, True, False]
    figure = plot_optimizations(table)
    words = [text.get_text().strip() for text in figure.axes[0].texts]
    assert words[0].startswith("×1.00, ")
    assert words[3] == "no C++ compiler that works was found"
    assert [bar.get_width() for bar in figure.axes[0].patches] == table["tokens/s"].fillna(0).tolist()


def test_a_mistake_in_fused_attention_costs_its_row_alone(compiler):
    class Broken(Tiny):
        def forward(self, idx):
            if self.use_flash_attn:
                raise self.problem
            return super().forward(idx)

    Broken.problem = NotImplementedError("finish Question 2.9 (`flash_attention`) and run its cell")
    table = measure_optimizations(Broken, seconds=0.01, batch_size=2, device="cpu")
    assert table["note"].iloc[1] == "finish Question 2.9 (`flash_attention`) and run its cell"
    assert table["tokens/s"].iloc[4] > 0
    Broken.problem = ValueError("too wide\nby far")
    table = measure_optimizations(Broken, seconds=0.01, batch_size=2, device="cpu")
    assert table["note"].iloc[1] == "stopped with ValueError: too wide"
    Broken.problem = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
    assert (
        measure_optimizations(Broken, seconds=0.01, batch_size=2, device="cpu")["note"].iloc[1] == "not enough memory"
    )


def test_an_unfinished_model_says_what_to_finish():
    class Unfinished(Tiny):
        def forward(self, idx):
            raise NotImplementedError

    with pytest.raises(NotImplementedError, match=r"finish `Unfinished\.forward` above first"):
        measure_optimizations(Unfinished, device="cpu")


def test_peak_memory_is_that_of_the_tensors():
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(1_000))
    model.block_size = 1
    row = optimization_table._Row("row", "cpu", 1, model=model)
    row.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step():
        first = torch.zeros(50_000)
        second = torch.zeros(30_000)
        del first
        third = torch.zeros(10_000)
        return second, third

    row.step = step
    # The weights, and at the fullest moment the first two tensors, four bytes each number.
    assert optimization_table._peak_memory(row) == 4 * (1_000 + 50_000 + 30_000)


def test_a_larger_batch_needs_more_memory(compiler):
    table = measure_optimizations(Tiny, seconds=0.01, batch_size=64, device="cpu")
    assert table["peak memory (MB)"].iloc[-1] > 1.5 * table["peak memory (MB)"].iloc[-2]


def test_nothing_is_measured_where_nbgrader_runs_the_notebook(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    table = measure_optimizations(None)
    assert list(table.columns) == list(COLUMNS)
    assert not len(table)
    assert "nothing is measured now" in capsys.readouterr().out
    assert [text.get_text() for text in plot_optimizations(table).axes[0].texts] == ["no measurements"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"machine": 3, "rows": []},
        {"machine": "", "rows": ["row"]},
        {"machine": "", "rows": [{"name": "row"}]},
        {"machine": "", "rows": [{"name": "row", "note": "", "ratio": "1"}]},
        {"machine": "", "rows": [{"name": "row", "note": "", "ratio": -1}]},
    ],
)
def test_a_file_that_holds_no_table_is_named(monkeypatch, content):
    runs.save_result(kept(), content)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(CourseError, match=r"optimizations\.json holds no table .* delete this file"):
        measure_optimizations(None)


def test_missing_numbers_come_back_as_missing(monkeypatch):
    runs.save_result(kept(), {"machine": "m", "rows": [{"name": "row", "note": "why"}]})
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    table = measure_optimizations(None)
    assert math.isnan(table.loc["row", "tokens/s"])
    assert table.loc["row", "note"] == "why"


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"seconds": 0}, {"device": "abacus"}])
def test_what_cannot_be_measured_is_refused(wrong):
    with pytest.raises(CourseError, match=r"larger than 0|no device 'abacus'"):
        measure_optimizations(Tiny, **wrong)


@pytest.mark.gpu
def test_on_a_gpu_memory_is_the_devices_own_count():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    row = optimization_table._with_model(optimization_table._Row("row", "cuda", 64), Tiny(use_flash_attn=True))
    row.warm_up()
    weights = sum(weight.numel() for weight in row.model.parameters())
    # Weights, gradients and both moments of AdamW, four bytes each number.
    assert row.memory >= 4 * 4 * weights
