"""A training of a second for the tests of sessions: a text and a model."""

import dataclasses
from pathlib import Path

import torch
import torch.nn as nn

from dl1.data.corpus import Corpus
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer

FOLDER = Path("runs/2b_gpt_training")
CORPUS = Corpus("Grimm", "the cat sat on the mat. " * 60)
TOKENIZER = CharTokenizer.from_text(CORPUS.text)


@dataclasses.dataclass
class Config:
    vocab_size: int = TOKENIZER.vocab_size
    block_size: int = 8
    n_embd: int = 16
    n_layer: int = 1
    n_head: int = 1


class Small(nn.Module):
    """Two tokens back, with dropout: learns the text above, and what is drawn matters."""

    shift = 1

    def __init__(self, config=None):
        super().__init__()
        self.config = config or Config()
        self.block_size = self.config.block_size
        self.embedding = nn.Embedding(self.config.vocab_size, self.config.n_embd)
        self.drop = nn.Dropout(0.1)
        self.hidden = nn.Linear(2 * self.config.n_embd, 32)
        self.head = nn.Linear(32, self.config.vocab_size, bias=False)

    def forward(self, idx):
        x = self.drop(self.embedding(idx))
        before = x.roll(self.shift, dims=1)
        before[:, 0] = 0
        return self.head(self.hidden(torch.cat([before, x], -1)).relu())


def model(**changes) -> Small:
    torch.manual_seed(0)
    return Small(Config(**changes))
