import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn as nn
from PIL import Image

from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.widgets.attention_maps import MOST_CHARACTERS, AttentionMaps, attention_maps, show_heads

TOKENIZER = CharTokenizer("abc <\n")


class Attention(nn.Module):
    """Head 0 looks at the first character, head 1 at itself; of layer 1, the other way round."""

    def __init__(self, turned):
        super().__init__()
        self.debug, self.turned = False, turned

    def forward(self, x):
        if not self.debug:
            return x
        length = x.shape[1]
        first = torch.zeros(length, length)
        first[:, 0] = 1
        heads = [first, torch.eye(length)]
        return {"att_probs": torch.stack(heads[::-1] if self.turned else heads)[None]}


class Block(nn.Module):
    def __init__(self, turned):
        super().__init__()
        self.self_attention = Attention(turned)

    def forward(self, x):
        return self.self_attention(x)


class Model(nn.Module):
    def __init__(self, block_size=64):
        super().__init__()
        self.block_size = block_size
        self.embedding = nn.Embedding(6, 2)
        self.blocks = nn.Sequential(Block(False), Block(True))

    def forward(self, idx):
        return self.blocks(self.embedding(idx))


@pytest.fixture
def maps():
    return AttentionMaps(Model(), TOKENIZER, "ab <")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def dark(maps: AttentionMaps) -> list[list[bool]]:
    """Which cells of the map have the colour of weight 1."""
    code = re.search(r"base64,([A-Za-z0-9+/=]+)", maps.map.value)[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))
    return (pixels[:, :, 0] < 100).tolist()


def bars(maps: AttentionMaps) -> list[tuple[str, str]]:
    return re.findall(r"<code>(.+?)</code> (\(\d+\)).*?<td>", maps.reading.value)


def test_layer_and_head_choose_the_map(maps):
    first = [[True, False, False, False]] * 4
    diagonal = torch.eye(4).bool().tolist()
    assert (maps.layer.max, maps.head.max, maps.row.max) == (2, 2, 4)
    assert dark(maps) == first
    maps.head.value = 2
    assert dark(maps) == diagonal
    maps.layer.value = 2
    assert dark(maps) == first
    assert 'aria-label="Attention of layer 2, head 2"' in maps.map.value


def test_the_row_is_read_as_a_text(maps):
    assert maps.row.value == 4
    assert bars(maps) == [("a", "(1)")]
    assert "<b>&lt;</b> (character 4, framed) looks at:" in maps.reading.value
    maps.head.value = 2
    assert bars(maps) == [("&lt;", "(4)")]
    maps.row.value = 3
    assert bars(maps) == [("␣", "(3)")]
    # What comes later is grey, what is looked at has the full colour.
    assert re.findall(r'<span title="([\d.]+%)" style="(color:#bbb|background)', maps.reading.value) == [
        ("0.0%", "background"),
        ("0.0%", "background"),
        ("100.0%", "background"),
        ("0.0%", "color:#bbb"),
    ]


def test_each_row_of_the_map_tells_what_it_looks_at(maps):
    assert re.findall("<title>(.+?)</title>", maps.map.value) == [
        "“a” (1) looks at: “a” (1) 100%",
        "“b” (2) looks at: “a” (1) 100%",
        "“␣” (3) looks at: “a” (1) 100%",
        "“&lt;” (4) looks at: “a” (1) 100%",
    ]


@pytest.mark.parametrize(("block_size", "shown"), [(64, MOST_CHARACTERS), (10, 10)])
def test_of_a_long_text_the_end_is_shown(block_size, shown):
    maps = AttentionMaps(Model(block_size), TOKENIZER, "a" * 60 + "b\nc")
    assert maps.row.max == len(dark(maps)) == shown
    assert f"of 63 characters, the last {shown} are shown" in maps.message.value
    maps.head.value, maps.row.value = 2, shown - 1
    assert bars(maps) == [("↵", f"({shown - 1})")]


def test_another_text_and_one_that_cannot_be_shown(maps):
    maps.text.value = "cab"
    assert (len(dark(maps)), maps.row.value, maps.message.value) == (3, 3, "")
    before = maps.map.value
    for text, words in (("caé", "U+00E9"), ("", "the text is empty")):
        maps.text.value = text
        assert words in maps.message.value
        assert "the last text that worked" in maps.message.value
        assert maps.map.value == before
    maps.head.value = 2
    assert maps.map.value != before


def test_wrong_weights_are_drawn_and_told(maps):
    class Ahead(Attention):
        def forward(self, x):
            length = x.shape[1]
            return {"att_probs": torch.ones(1, 2, length, length) / length} if self.debug else x

    model = Model()
    model.blocks[1].self_attention = Ahead(False)
    maps = AttentionMaps(model, TOKENIZER, "ab")
    assert "⚠ layer 2, head 1 looks at later characters" in maps.message.value
    maps.layer.value, maps.row.value = 2, 1
    assert bars(maps) == [("a", "(1)"), ("b", "(2)")]
    assert "color:#bbb" not in maps.reading.value
    assert show_heads(model, TOKENIZER, "ab").get_suptitle().endswith("looks at later characters")


def test_a_model_without_the_output_gets_a_line():
    model = Model()
    model.blocks[0].self_attention.forward = lambda x: x
    maps = AttentionMaps(model, TOKENIZER, "ab")
    assert "should give a dict with &quot;att_probs&quot; (Question 2.2); it gave a Tensor" in maps.message.value
    assert maps.map.value == ""
    maps.layer.value = 1


def test_figure_for_print():
    figure = show_heads(Model(), TOKENIZER, "ab <")
    drawn = [axis.images[0].get_array() for axis in figure.axes[:4]]
    assert [bool(each[3, 3] == 1) for each in drawn] == [False, True, True, False]
    assert [axis.get_ylabel() for axis in figure.axes[:4]] == ["layer 1", "", "layer 2", ""]
    assert "“ab␣<”" in figure.get_suptitle()


@pytest.mark.parametrize("word", ["", "autograde"])
def test_a_map_to_choose_from_only_where_somebody_can_choose(monkeypatch, word):
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setenv("NBGRADER_EXECUTION", word)
    attention_maps(Model(), TOKENIZER, "ab")
    assert len(displayed) == (0 if word else 1)
    assert len(plt.get_fignums()) == 1


def test_without_an_answer_the_notebook_goes_on(monkeypatch, capsys):
    def forward(x):
        raise NotImplementedError("finish Question 2.3 first")

    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    model = Model()
    model.blocks[0].forward = forward
    attention_maps(model, TOKENIZER, "ab")
    assert capsys.readouterr().out == "No figure: nothing to show yet: finish Question 2.3 first.\n"
