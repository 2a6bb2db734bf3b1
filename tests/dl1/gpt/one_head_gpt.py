"""A decoder with one head, in the interface of the course: what a student may have exported."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class GPTConfig:
    n_layer: int = 1
    n_head: int = 1
    n_embd: int = 8
    vocab_size: int = 5
    block_size: int = 8
    embd_pdrop: float = 0.1
    resid_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    use_flash_attn: bool = False
    abs_emb: bool = False

    @classmethod
    def preset(cls, name, **changes):
        sizes = {"gpt-nano": {"n_embd": 8}, "gpt-micro": {"n_embd": 16}, "gpt-mini": {"n_embd": 24}}
        if name not in sizes:
            raise ValueError(f"no preset is called {name!r}")
        return cls(**{**sizes[name], **changes})


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.block_size = config, config.block_size
        self.embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.mix = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.drop = nn.Dropout(config.resid_pdrop)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def attend(self, q, k, v):
        hidden = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool).triu(1)
        scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(hidden, float("-inf"))
        return scores.softmax(-1) @ v

    def fused(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def forward(self, idx):
        x = self.drop(self.embedding(idx))
        q, k, v = self.mix(x).unsqueeze(1).chunk(3, -1)
        y = self.fused(q, k, v) if self.config.use_flash_attn else self.attend(q, k, v)
        return self.head(x + y.squeeze(1))
