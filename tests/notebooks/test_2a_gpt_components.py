"""The notebook 2a: what it exports, what its checks hand to an answer, and which attention kernels they ask."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch

from dl1.gpt.kv_cache import CachedReader, measure_cache, plot_cache
from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.code import bound_names
from proctor.notebooks.purposes import has_effect

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "source" / "assignment2" / "2a_gpt_components.ipynb"
# Put behind given and reference cells: each configuration is printed with the line that made it, and what the rules say
# of the arguments of a method holds at each of its calls.
WATCHED = {
    "q2_config": """
import json as _json
import sys as _sys

_plain_init = GPTConfig.__init__


def _printed_init(self, *args, **kwargs):
    _plain_init(self, *args, **kwargs)
    print("CONFIG", _json.dumps([_sys._getframe(1).f_lineno, vars(self)]))


GPTConfig.__init__ = _printed_init
""",
    "q2_2_forward": """
_plain_forward = CausalSelfAttention.forward


def _watched_forward(self, x):
    assert x.ndim == 3 and x.shape[2] == self.n_embd and x.shape[1] <= self.mask.shape[-1], x.shape
    return _plain_forward(self, x)


CausalSelfAttention.forward = _watched_forward
""",
    "q2_6_rope": """
_plain_rope = CausalSelfAttention.apply_rotary_emb


def _watched_rope(self, xq, xk, T):
    head_size = self.n_embd // self.n_head
    assert xq.shape == xk.shape == (xq.shape[0], self.n_head, T, head_size) and T <= self.mask.shape[-1], xq.shape
    return _plain_rope(self, xq, xk, T)


CausalSelfAttention.apply_rotary_emb = _watched_rope
""",
    "q2_9a_flash": """
_plain_flash = CausalSelfAttention.flash_attention


def _watched_flash(self, q, k, v):
    head_size = self.n_embd // self.n_head
    assert q.shape == k.shape == v.shape == (q.shape[0], self.n_head, q.shape[2], head_size), q.shape
    assert q.shape[2] <= self.mask.shape[-1], q.shape
    return _plain_flash(self, q, k, v)


CausalSelfAttention.flash_attention = _watched_flash
""",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Results of the reference notebook, run in a folder that then holds its gpt.py."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, inprocess.run(NOTEBOOK, cells=has_effect)


@pytest.fixture(scope="module")
def gpt(run):
    """The exported module."""
    folder, _ = run
    sys.path.insert(0, str(folder))
    try:
        import gpt
    finally:
        sys.path.remove(str(folder))
    yield gpt
    del sys.modules["gpt"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Results of the test cells by grade_id, with everything watched that they hand to an answer."""
    cells = {notebook_cells.grade_id(cell): cell for cell in notebook_cells.read(NOTEBOOK)["cells"]}
    sources = {name: notebook_cells.source(cells[name]) + addition for name, addition in WATCHED.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("watched"))
        results = inprocess.run(NOTEBOOK, sources=sources, cells=has_effect)
    tests = {name for name, cell in cells.items() if name and notebook_cells.role(cell) == "test"}
    return {result.grade_id: result for result in results if result.grade_id in tests}


def test_checks_hand_over_only_what_the_rules_of_a_question_allow(watched):
    assert {name: result.message for name, result in watched.items() if not result.passed} == {}


def test_every_configuration_of_a_check_is_accepted_by_the_real_layer(watched, gpt):
    sources = {
        notebook_cells.grade_id(cell): notebook_cells.source(cell) for cell in notebook_cells.read(NOTEBOOK)["cells"]
    }
    different = set()
    for name, result in watched.items():
        made = [
            json.loads(line.removeprefix("CONFIG "))
            for line in result.stdout.splitlines()
            if line.startswith("CONFIG ")
        ]
        for _, fields in made:
            different.add(json.dumps(fields, sort_keys=True))
            gpt.CausalSelfAttention(gpt.GPTConfig(**fields))
            assert fields["n_embd"] % fields["n_head"] == 0
        lines = {line for line, _ in made}
        for call in ast.walk(ast.parse(sources[name])):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "GPTConfig":
                assert lines & set(range(call.lineno, call.end_lineno + 1)), f"{name}, line {call.lineno} never ran"
    assert len(different) > 40


def test_given_cells_and_demos_leave_nothing_that_could_stand_in_for_a_forgotten_local():
    left = {}
    for cell in notebook_cells.read(NOTEBOOK)["cells"]:
        if cell["cell_type"] != "code" or notebook_cells.role(cell) in ("solution", "test"):
            continue
        for statement in ast.parse(notebook_cells.source(cell)).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
                continue
            # Nobody writes a local variable in capitals.
            left |= {name: cell["id"] for name in bound_names(statement) if not (name.isupper() and len(name) > 1)}
    assert left == {}


def test_hidden_attention_checks_name_the_kernels_they_could_not_ask(run):
    (cell,) = [r for r in run[1] if r.grade_id == "q2_9a_fused"]
    asked, absent = (
        next(line for line in cell.stdout.splitlines() if line.startswith(start)) for start in ("Kernels", "Not")
    )
    assert "cpu math float32" in asked
    assert "cpu flash_attention float32" in asked
    for kernel in ("math", "efficient_attention", "flash_attention", "cudnn_attention"):
        name = f"cuda {kernel} float16"
        assert name in (asked if torch.cuda.is_available() else absent)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: its four attention kernels were not asked")
def test_cuda_kernels_pass_the_same_checks(run):
    (cell,) = [r for r in run[1] if r.grade_id == "q2_9a_fused"]
    assert cell.ok, cell.traceback
    asked = cell.stdout.splitlines()[1]
    for kernel in ("math", "efficient_attention", "flash_attention", "cudnn_attention"):
        assert f"cuda {kernel} bfloat16" in asked


def test_module_imports_without_the_kit(run):
    folder, _ = run
    code = "import sys, gpt; print(sorted(m for m in sys.modules if m.split('.')[0] in ('dl1', 'proctor', 'IPython')))"
    found = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


def test_interface_of_the_attention_layer(gpt):
    config = gpt.GPTConfig(n_head=4, n_embd=48, block_size=16)
    layer = gpt.CausalSelfAttention(config)
    assert set(layer.state_dict()) == {"c_attn.weight", "c_attn.bias", "c_proj.weight", "c_proj.bias"}
    assert layer.c_attn.weight.shape == (144, 48)
    assert layer.mask.shape == (1, 1, 16, 16)
    assert layer.inv_freq.shape == (6,)
    assert (layer.n_head, layer.n_embd, layer.use_flash_attn) == (4, 48, False)
    assert layer(torch.randn(2, 5, 48)).shape == (2, 5, 48)
    inside = gpt.CausalSelfAttention(config, debug=True)(torch.randn(2, 5, 48))
    assert {name: tuple(value.shape) for name, value in inside.items()} == {
        "att_probs": (2, 4, 5, 5),
        "q": (2, 4, 5, 12),
        "k": (2, 4, 5, 12),
        "v": (2, 4, 5, 12),
    }


@pytest.mark.parametrize("abs_emb", [False, True])
def test_model_works_for_texts_shorter_than_its_block_and_on_both_paths(gpt, abs_emb):
    torch.manual_seed(0)
    config = gpt.GPTConfig(n_layer=2, n_head=4, n_embd=48, vocab_size=11, block_size=16, abs_emb=abs_emb)
    model = gpt.GPT(config).eval()
    idx = torch.randint(0, 11, (3, 7))
    logits = model(idx)
    assert logits.shape == (3, 7, 11)
    for block in model.transformer.h:
        block.self_attention.use_flash_attn = True
    # two float32 computations of numbers below 1
    torch.testing.assert_close(model(idx), logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("abs_emb", [False, True])
def test_a_text_read_token_by_token_with_a_cache_gives_the_same_logits(gpt, abs_emb):
    torch.manual_seed(0)
    config = gpt.GPTConfig(n_layer=2, n_head=4, n_embd=48, vocab_size=11, block_size=16, abs_emb=abs_emb)
    model = gpt.GPT(config).eval()
    for weight in model.parameters():
        # As they begin, weights are so small that a wrong position would hardly show.
        torch.nn.init.normal_(weight, std=0.3)
    idx = torch.randint(0, 11, (3, 9))
    reader = CachedReader(model)
    found = torch.stack([reader.read(idx[:, t : t + 1]) for t in range(9)], dim=1)
    # two float32 computations of numbers of some tens
    torch.testing.assert_close(found, model(idx), rtol=1e-3, atol=1e-3)
    assert [tuple(part.shape) for part in reader.kept[1]] == [(3, 4, 9, 12)] * 2


def test_cost_of_a_token_is_told_with_what_is_kept(gpt, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    found = measure_cache(gpt.GPT, gpt.GPTConfig)
    # Keys and values of four layers with 128 channels, four bytes each.
    assert found.kept == [length * 2 * 4 * 128 * 4 / 1e6 for length in (4, 8)]
    assert found.difference < 1e-4
    assert len(str(found).splitlines()) == 4
    (axis,) = plot_cache(found).axes
    assert [len(line.get_xdata()) for line in axis.lines] == [2, 2]
    plt.close("all")


def test_interface_of_the_model(gpt):
    model = gpt.GPT(gpt.GPTConfig(n_layer=2, n_head=2, n_embd=8, vocab_size=5, block_size=6))
    assert model.block_size == 6
    assert list(model.transformer) == ["w_token_emb", "w_pos_emb", "drop", "h", "ln_f"]
    assert isinstance(model.transformer.ln_f, gpt.RMSNorm)
    assert model.lm_head.bias is None
    assert model.lm_head.weight is not model.transformer.w_token_emb.weight
    assert list(dict(model.transformer.h[0].named_children())) == [
        "layer_norm_1",
        "self_attention",
        "layer_norm_2",
        "mlpf",
    ]
    with pytest.raises(ValueError, match="7 tokens"):
        model(torch.zeros(1, 7, dtype=torch.int64))


def test_presets(gpt):
    sizes = {name: gpt.GPTConfig.preset(name) for name in ("gpt-nano", "gpt-micro", "gpt-mini")}
    assert {name: (c.n_layer, c.n_head, c.n_embd) for name, c in sizes.items()} == {
        "gpt-nano": (3, 3, 48),
        "gpt-micro": (4, 4, 128),
        "gpt-mini": (6, 6, 384),
    }
    assert gpt.GPTConfig.preset("gpt-mini", vocab_size=7, attn_pdrop=0.0).vocab_size == 7
    with pytest.raises(ValueError, match="gpt-nano"):
        gpt.GPTConfig.preset("gpt-huge")


def test_odd_heads_are_refused_with_a_reason(gpt):
    with pytest.raises(ValueError, match="even heads"):
        gpt.CausalSelfAttention(gpt.GPTConfig(n_head=3, n_embd=9))


@pytest.mark.slow
@pytest.mark.timeout(2700)
def test_kill_table_in_the_docs_is_what_the_catalogue_gives_today(tmp_path):
    table = tmp_path / "table.md"
    command = [sys.executable, "-m", "proctor.catalogue", "--markdown", str(table), "source", "misconceptions"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 surprises" in run.stdout
    assert table.read_text() == (ROOT / "docs" / "misconceptions.md").read_text(), (
        "run make misconceptions ARGS=--markdown…"
    )
