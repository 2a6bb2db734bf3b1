import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.widgets.token_distribution import (
    SHOWN,
    Setting,
    bars_html,
    prompt_logits,
    show_distributions,
    token_distribution,
    token_name,
)

# Probabilities 1/2, 1/4, 1/8, 1/8 of "b", "d", "a", "c" at temperature 1.
LOGITS = torch.tensor([[0.125, 0.5, 0.125, 0.25]]).log()


def probabilities_of(logits, temperature=1.0, top_k=None, top_p=None):
    shares = (logits / temperature).softmax(-1)
    for row in shares:
        order = row.argsort(descending=True).tolist()
        kept, total = [], 0.0
        for number in order[: top_k or len(order)]:
            kept.append(number)
            total += float(row[number])
            if top_p is not None and total >= top_p:
                break
        row[[number for number in order if number not in kept]] = 0
        row /= row.sum()
    return shares


class Model(nn.Module):
    """The next character is most likely the one that stood first in what the model was given."""

    def __init__(self, vocab_size, block_size=4):
        super().__init__()
        self.block_size, self.vocab_size = block_size, vocab_size

    def forward(self, idx):
        assert not self.training
        first = nn.functional.one_hot(idx[:, :1], self.vocab_size)  # (B, 1, V)
        return 5.0 * first.expand(-1, idx.shape[1], -1)


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def test_bars_come_from_the_students_function_likeliest_first():
    found = token_distribution(probabilities_of, LOGITS, "abcd", Setting(top_p=0.6))
    assert found.names == ("b", "d", "a", "c")
    assert found.probabilities.tolist() == pytest.approx([0.5, 0.25, 0.125, 0.125])
    assert found.drawn_with.tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert found.summary() == "2 of 4 tokens kept, which had 75.0% together"


def test_temperature_and_top_k_arrive():
    found = token_distribution(probabilities_of, LOGITS, "abcd", Setting(temperature=0.5, top_k=1))
    # Squares 1/4, 1/16, 1/64, 1/64 over their sum, 22/64.
    assert found.probabilities.tolist() == pytest.approx([16 / 22, 4 / 22, 1 / 22, 1 / 22])
    assert found.drawn_with.tolist() == [1, 0, 0, 0]


def test_code_that_works_in_place_does_no_harm():
    def in_place(logits, **setting):
        return logits.mul_(0).softmax(-1)

    logits = LOGITS.clone()
    token_distribution(in_place, logits, "abcd", Setting())
    assert torch.equal(logits, LOGITS)


def test_probabilities_that_were_not_divided_again_are_told():
    def undivided(logits, temperature=1.0, top_k=None, top_p=None):
        shares = logits.softmax(-1)
        return shares if top_p is None else shares * (shares > 0.2)

    found = token_distribution(undivided, LOGITS, "abcd", Setting(top_p=0.6))
    assert found.summary().endswith("75.0% together; after the cut the probabilities sum to 0.750, not to 1")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda logits, **_: None, "gave a NoneType for logits"),
        (lambda logits, **_: logits[0], r"gave a tensor \(4,\) for logits \(1, 4\)"),
        (lambda logits, **_: logits / 0, "NaN, infinite or negative"),
        (lambda logits, **_: logits, "NaN, infinite or negative"),
        (lambda logits: logits, "next_token_probabilities stopped with TypeError"),
    ],
)
def test_what_is_no_distribution_is_refused(function, words):
    with pytest.raises(CourseError, match=words):
        token_distribution(function, LOGITS, "abcd", Setting())


def test_the_model_sees_the_end_of_a_long_prompt():
    tokenizer = CharTokenizer("abcd")
    logits = prompt_logits(Model(4).train(), tokenizer, "aaabdcd")
    assert logits.tolist() == [[0, 5, 0, 0]]


@pytest.mark.parametrize(
    ("model", "prompt", "words"),
    [
        (Model(4), "", "the prompt is empty"),
        (Model(4), "abé", "'é'.*doesn't know"),
        (Model(7), "ab", "logits for 7 tokens, but the tokenizer has 4"),
        (Model(2), "dab", "the model stopped with RuntimeError"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(model, prompt, words):
    with pytest.raises(CourseError, match=words):
        prompt_logits(model, CharTokenizer("abcd"), prompt)


def test_names_can_be_read():
    assert [token_name(character) for character in " \n\tx&\u0301\u2009\x07"] == [
        "space",
        "newline",
        "tab",
        "x",
        "&",
        "combining acute accent",
        "thin space",
        "u+0007",
    ]


def test_kept_and_cut_differ_in_more_than_colour():
    setting = Setting(top_p=0.6)
    shown = bars_html(token_distribution(probabilities_of, LOGITS, "<b&d", setting), setting)
    assert "temperature 1.00, top-p 0.60: 2 of 4 tokens kept" in shown
    assert shown.count("✓ kept") == 2
    assert shown.count("✗ cut") == shown.count("repeating-linear-gradient") == 2
    assert "drawn with 66.7%" in shown
    assert "width:150.0px" in shown
    assert "<code>&lt;</code>" in shown


def test_only_the_likeliest_are_shown():
    logits = torch.zeros(1, 26)
    logits[0, 25] = 3.0
    shown = bars_html(token_distribution(probabilities_of, logits, "abcdefghijklmnopqrstuvwxyz", Setting()), Setting())
    assert shown.count("✓ kept") == SHOWN
    assert shown.index("<code>z</code>") < shown.index("<code>a</code>")
    # Of 25 equally likely characters six are left out; the likeliest one has e³ times their probability.
    assert f"the 6 others had {6 / (25 + 2.718281828**3):.1%}" in shown


def test_figure_for_print():
    tokenizer = CharTokenizer("ab $")
    figure = show_distributions(Model(4), tokenizer, probabilities_of, "$a$b")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["temperature 0.50", "temperature 1.00", "temperature 1.50", "temperature 1.00, top-p 0.60"]
    widths = [[bar.get_width() for bar in axis.patches] for axis in figure.axes]
    assert widths[0][0] > widths[1][0] > widths[2][0] > 0.5
    assert [bar.get_hatch() for bar in figure.axes[3].patches] == [None, "////", "////", "////"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["$", "space", "a", "b"]
    assert figure.get_suptitle() == "What comes after '$a$b'?"
    figure.canvas.draw()
