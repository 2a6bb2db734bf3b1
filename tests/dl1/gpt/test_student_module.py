"""Finding the student's module, and making a model of its classes."""

import re
import sys
from pathlib import Path

import pytest
import torch

from dl1.errors import CourseError
from dl1.gpt.student_module import build_gpt, check_model, fused_attention_problem, load_module, model_config
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES

# A decoder with one head, in the interface of the course.
SOURCE = (Path(__file__).parent / "one_head_gpt.py").read_text(encoding="utf-8")
FUSED = "return F.scaled_dot_product_attention(q, k, v, is_causal=True)"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Imports the module, with some of its text replaced."""
    monkeypatch.delitem(sys.modules, "gpt", raising=False)

    def load(*replacements):
        text = SOURCE
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "gpt.py").write_text(text)
        return load_module(tmp_path / "gpt.py")

    yield load
    sys.modules.pop("gpt", None)


@pytest.fixture(autouse=True)
def fused_attention_pays(monkeypatch):
    """As on a GPU."""
    monkeypatch.setattr("dl1.gpt.student_module.fused_attention_pays", lambda device: True)


def test_on_a_cpu_attention_goes_step_by_step_without_a_word(module, capsys, monkeypatch):
    monkeypatch.undo()
    model = build_gpt(module((FUSED, "raise NotImplementedError")), 9, PROFILES["quick"], device="cpu")
    assert model.config.use_flash_attn is False
    assert build_gpt(module(), 9, PROFILES["quick"], use_flash_attn=True).config.use_flash_attn is True
    assert capsys.readouterr().out == ""


def test_a_model_of_the_profile(module, capsys):
    before = torch.get_rng_state()
    model = build_gpt(module(), 62, PROFILES["quick"])
    assert model.config.n_embd == 16
    assert (model.config.vocab_size, model.config.block_size) == (62, PROFILES["quick"].block_size)
    assert (model.config.resid_pdrop, model.config.use_flash_attn) == (PROFILES["quick"].dropout, True)
    assert build_gpt(module(), 62, PROFILES["full"]).config.attn_pdrop == 0.1
    assert build_gpt(module(), 62, PROFILES["full"], preset="gpt-nano", block_size=3).config.block_size == 3
    assert capsys.readouterr().out == ""
    assert torch.equal(torch.get_rng_state(), before)


def test_the_seed_decides_the_first_weights(module):
    first, again, other = (build_gpt(module(), 9, PROFILES["quick"], seed) for seed in (0, 0, 1))
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('raise NotImplementedError("finish Question 2.9")', r"does not work yet \(finish Question 2.9\)"),
        ("return q.nothing", "AttributeError: 'Tensor' object has no attribute 'nothing'"),
        ("return F.scaled_dot_product_attention(q, k, v)", "gives other outputs than attention step by step"),
    ],
)
def test_without_fused_attention_it_goes_step_by_step(module, capsys, answer, says):
    loaded = module((FUSED, answer))
    model = build_gpt(loaded, 9, PROFILES["quick"])
    assert model.config.use_flash_attn is False
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("attention is computed step by step, which is slower")
    assert re.search(says, line)


def test_what_both_ways_lack_is_left_to_the_model(module):
    loaded = module(("x = self.drop(self.embedding(idx))", 'raise NotImplementedError("finish Question 2.5")'))
    assert fused_attention_problem(loaded) == ""
    model = build_gpt(loaded, 3, PROFILES["quick"])
    with pytest.raises(NotImplementedError, match="finish Question 2.5"):
        check_model(model, CharTokenizer("abc"))


def test_an_unfinished_class_is_named(module):
    loaded = module(("super().__init__()", "raise NotImplementedError"))
    with pytest.raises(NotImplementedError, match="finish `GPT.__init__` above first"):
        build_gpt(loaded, 3, PROFILES["quick"])


def test_logits_must_fit_the_tokenizer(module):
    model = build_gpt(module(), 3, PROFILES["quick"])
    check_model(model, CharTokenizer("abc"))
    with pytest.raises(CourseError, match=r"shape \(2, 1, 3\), but the tokenizer has 4 .* with vocab_size=4"):
        check_model(model, CharTokenizer("abcd"))


def test_what_a_run_keeps_of_the_config(module):
    config = model_config(build_gpt(module(), 3, PROFILES["quick"]), 3)
    assert (config["n_embd"], config["vocab_size"], config["abs_emb"]) == (16, 3, False)
    model = torch.nn.Linear(1, 1)
    model.block_size = 7
    assert model_config(model, 3) == {"vocab_size": 3, "block_size": 7}


def test_there_is_no_such_preset(module):
    with pytest.raises(CourseError, match=r"GPTConfig.preset\('gpt-huge'\): no preset is called 'gpt-huge'"):
        build_gpt(module(), 3, PROFILES["quick"], preset="gpt-huge")


def test_modules_that_cannot_be_used(module, tmp_path):
    with pytest.raises(CourseError, match=r"nowhere.py was not found: run 2a to its end"):
        load_module(tmp_path / "nowhere.py")
    with pytest.raises(CourseError, match=r"can't be imported \(SyntaxError: .*run 2a to its end"):
        module(("class GPT(", "class GPT(("))
    assert "gpt" not in sys.modules
    with pytest.raises(CourseError, match="gpt.py has no GPT and GPTConfig: run 2a to its end"):
        build_gpt(module(("class GPT(", "class Other(")), 3, PROFILES["quick"])
    (tmp_path / "gpt.txt").write_text("")
    with pytest.raises(CourseError, match="is no Python module: give the path of gpt.py"):
        load_module(tmp_path / "gpt.txt")
