import re

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.widgets.sampling_sliders import SamplingSliders, continuations, sampling_sliders
from dl1.gpt.widgets.token_distribution import Setting


class Model(nn.Module):
    """Each character is followed by the next one of the vocabulary, most likely."""

    block_size = 8

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.calls = 0

    def forward(self, idx):
        assert not self.training
        self.calls += 1
        return self.scale * nn.functional.one_hot((idx + 1) % 4, 4) + 0.1 * torch.arange(4)


def probabilities_of(logits, temperature=1.0, top_k=None, top_p=None):
    shares = (logits / temperature).softmax(-1)
    if top_k is not None:
        shares = shares * (shares >= shares.topk(top_k).values[:, -1:])
    if top_p is not None:
        shares = shares * (shares > 1 - top_p)
    return shares / shares.sum(-1, keepdim=True)


def generate(model, idx, max_new_tokens, temperature=1.0, do_sample=False, top_k=None, top_p=0.6):
    for _ in range(max_new_tokens):
        shares = probabilities_of(model(idx[:, -model.block_size :])[:, -1], temperature, top_k, top_p)
        chosen = torch.multinomial(shares, 1) if do_sample else shares.argmax(-1, keepdim=True)
        idx = torch.cat([idx, chosen], dim=1)
    return idx


def make(generate=generate, probabilities_of=probabilities_of, prompt="ab"):
    return SamplingSliders(Model(), CharTokenizer("abcd"), probabilities_of, generate, prompt)


def written(sliders) -> str:
    return re.search(r"</b>(.*)</pre>", sliders.text.value, re.DOTALL)[1]


def test_sliders_change_the_bars_and_ask_the_model_nothing():
    sliders = make()
    seen = {sliders.bars.value}
    assert sliders._model.calls == 1
    for control, value in (
        (sliders.temperature, 0.5),
        (sliders.top_p, 1.0),
        (sliders.top_k, 2),
        (sliders.temperature, 2.0),
    ):
        control.value = value
        seen.add(sliders.bars.value)
    assert len(seen) == 5
    assert sliders._model.calls == 1
    assert sliders._model.training
    sliders.prompt.value = "abc"
    assert sliders._model.calls == 2


def test_the_ends_of_the_controls_turn_limits_off():
    sliders = make()
    assert sliders.setting == Setting(1.0, None, 0.6)
    sliders.top_p.value, sliders.top_k.value = 1.0, 3
    assert sliders.setting == Setting(1.0, 3, None)
    assert (sliders.temperature.min, sliders.temperature.max, sliders.temperature.step) == (0.1, 2.0, 0.05)
    assert (sliders.top_p.min, sliders.top_p.max, sliders.top_p.step) == (0.05, 1.0, 0.05)


def test_an_unknown_character_is_named_and_the_picture_stays():
    sliders = make()
    before = sliders.bars.value
    sliders.prompt.value = "abé<"
    assert "U+00E9" in sliders.message.value
    assert "&#x27;&lt;&#x27;" in sliders.message.value
    assert "the last prompt that worked" in sliders.message.value
    assert sliders.bars.value == before
    sliders.temperature.value = 0.5
    assert sliders.bars.value != before
    assert "U+00E9" in sliders.message.value
    sliders.prompt.value = "ab"
    assert sliders.message.value == ""


def test_an_empty_prompt_from_the_beginning():
    sliders = make(prompt="")
    assert "the prompt is empty" in sliders.message.value
    assert sliders.bars.value == ""
    sliders.button.click()
    assert "the prompt is empty" in sliders.text.value
    sliders.prompt.value = "a"
    assert "✓ kept" in sliders.bars.value


def test_code_of_the_student_that_fails_is_told_in_a_line():
    def unfinished(logits, temperature=1.0, top_k=None, top_p=None):
        raise NotImplementedError("finish Question 2.8 first")

    def failing(model, idx, max_new_tokens, **_):
        raise IndexError("<out> of range")

    sliders = make(failing, unfinished)
    assert "nothing to show yet: finish Question 2.8 first" in sliders.message.value
    assert sliders.bars.value == ""
    sliders.button.click()
    assert "generate stopped with IndexError: &lt;out&gt; of range" in sliders.text.value
    assert not sliders.button.disabled
    assert sliders._model.training


def test_bars_of_another_setting_do_not_stay():
    def only_warm(logits, temperature=1.0, top_k=None, top_p=None):
        if temperature < 1:
            raise ValueError("too cold")
        return probabilities_of(logits, temperature, top_k, top_p)

    sliders = make(probabilities_of=only_warm)
    sliders.temperature.value = 0.5
    assert "too cold" in sliders.message.value
    assert sliders.bars.value == ""
    sliders.temperature.value = 1.0
    assert "✓ kept" in sliders.bars.value


def test_the_button_writes_the_same_text_for_the_same_seed():
    sliders = make()
    sliders.count.value, sliders.top_p.value = 45, 1.0
    sliders.button.click()
    first = written(sliders)
    assert len(first) == 45
    assert "45 characters, temperature 1.00, seed 0" in sliders.text.value
    sliders.button.click()
    assert written(sliders) == first
    sliders.seed.value = 1
    sliders.button.click()
    assert written(sliders) != first
    assert sliders._model.training


def test_the_text_is_what_one_call_would_give_and_grows():
    model, tokenizer = Model(), CharTokenizer("abcd")
    torch.manual_seed(3)
    idx = generate(model.eval(), tokenizer.encode("ab")[None], 45, 0.9, do_sample=True, top_k=3, top_p=None)
    torch.manual_seed(8)
    before = torch.get_rng_state()
    texts = list(continuations(model, tokenizer, generate, "ab", Setting(0.9, top_k=3), 45, seed=3))
    assert [len(text) for text in texts] == [20, 40, 45]
    assert texts[-1] == tokenizer.decode(idx[0, 2:])
    assert torch.equal(torch.get_rng_state(), before)
    assert not model.training


def test_generate_gets_the_settings():
    given = []

    def recording(model, idx, max_new_tokens, **settings):
        given.append((max_new_tokens, settings))
        return generate(model, idx, max_new_tokens, **settings)

    sliders = make(recording)
    sliders.count.value, sliders.temperature.value, sliders.top_k.value = 3, 0.7, 2
    sliders.button.click()
    assert given == [(3, {"temperature": 0.7, "do_sample": True, "top_k": 2, "top_p": 0.6})]


@pytest.mark.parametrize(
    ("generate", "words"),
    [
        (lambda model, idx, new, **_: None, "generate gave NoneType for idx"),
        (
            lambda model, idx, new, **_: idx,
            r"gave \(1, 2\) for idx \(1, 2\) and max_new_tokens=5: it must give \(1, 7\)",
        ),
        (lambda model, idx, new, **_: torch.zeros(1, 7, dtype=torch.int64), "idx followed by the new tokens"),
        (lambda model, idx, new, **_: torch.cat([idx, torch.full((1, 5), 9)], 1), "9"),
    ],
)
def test_what_is_no_continuation_is_refused(generate, words):
    with pytest.raises(CourseError, match=words):
        list(continuations(Model(), CharTokenizer("abcd"), generate, "ab", Setting(), 5, seed=0))


@pytest.mark.parametrize("word", ["", "autograde"])
def test_sliders_only_where_somebody_can_move_them(monkeypatch, word):
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setenv("NBGRADER_EXECUTION", word)
    sampling_sliders(Model(), CharTokenizer("abcd"), probabilities_of, generate, "ab")
    assert len(displayed) == (0 if word else 1)
    assert len(plt.get_fignums()) == 1
    plt.close("all")


def test_without_an_answer_the_notebook_goes_on(monkeypatch, capsys):
    def unfinished(logits, **_):
        raise NotImplementedError("finish Question 2.8 first")

    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    sampling_sliders(Model(), CharTokenizer("abcd"), unfinished, generate, "ab")
    assert capsys.readouterr().out == "No figure: nothing to show yet: finish Question 2.8 first.\n"
    assert not plt.get_fignums()
