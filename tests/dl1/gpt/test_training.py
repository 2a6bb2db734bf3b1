"""The trainer: order of the windows, learning rate, what decays, going on from a state, names of kernels."""

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from dl1.errors import CourseError
from dl1.gpt.training import PROFILES, Profile, Trainer, WindowOrder, make_optimizer
from dl1.notebook import devices

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = Profile("none", 8, 0.1, 4, 1e-2, False, epochs=2)
TEXT = torch.arange(60) % 5


class Tiny(nn.Module):
    """Attention with one head, dropout, and whatever a decoder has: enough that a mistake of the order shows."""

    def __init__(self, vocab_size=5, block_size=8, fused=True, dropout=0.1):
        super().__init__()
        self.block_size, self.fused, self.attention_dropout = block_size, fused, 0.0
        self.embedding, self.norm = nn.Embedding(vocab_size, 16), nn.LayerNorm(16)
        self.mix, self.head = nn.Linear(16, 48), nn.Linear(16, vocab_size, bias=False)
        self.drop = nn.Dropout(dropout)

    def forward(self, idx):
        x = self.drop(self.embedding(idx))
        q, k, v = self.mix(self.norm(x)).unsqueeze(1).chunk(3, -1)  # each (B, 1, T, 16)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.attention_dropout, is_causal=True)
        else:
            hidden = torch.ones(idx.shape[1], idx.shape[1], dtype=torch.bool).triu(1)
            mixed = (q @ k.transpose(-2, -1)).masked_fill(hidden, float("-inf")).softmax(-1) @ v
        return self.head(x + mixed.squeeze(1))


def trainer(steps=None, profile=SMALL, **options) -> Trainer:
    torch.manual_seed(1)
    return Trainer(Tiny(), TEXT, profile, steps, **options)


def test_each_epoch_takes_every_window_once_in_another_order():
    order = WindowOrder(10, 4, seed=3, device="cpu")
    starts = torch.cat([order.batch(step) for step in range(10)])
    epochs = starts.view(4, 10)
    for epoch in epochs:
        assert epoch.sort().values.tolist() == list(range(10))
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 4
    # Nothing but the step decides, in whatever order steps are asked for.
    assert torch.equal(WindowOrder(10, 4, 3, "cpu").batch(7), starts[28:32])
    assert not torch.equal(WindowOrder(10, 4, 4, "cpu").batch(0), starts[:4])


def test_a_batch_may_be_longer_than_an_epoch():
    starts = WindowOrder(3, 8, 0, "cpu").batch(1)
    assert len(starts) == 8
    assert torch.bincount(starts).tolist() == pytest.approx([8 / 3] * 3, abs=1)


def test_windows_are_views_of_the_text():
    made = trainer()
    assert made.windows.shape == (52, 9)
    assert made.windows.untyped_storage().nbytes() == TEXT.untyped_storage().nbytes()
    assert made.windows[7].tolist() == TEXT[7:16].tolist()
    # The last window ends with the last token.
    assert made.windows[-1].tolist() == TEXT[-9:].tolist()


def test_steps_of_a_profile():
    assert trainer().steps == 26
    assert PROFILES["full"].count_steps(520_000, 128) == math.ceil(5 * (520_000 - 128) / 128)
    assert replace(SMALL, steps=7).count_steps(520_000, 8) == 7
    assert trainer().tokens_per_step == 32


def test_learning_rate():
    constant, cosine = trainer(), trainer(30, replace(SMALL, cosine=True))
    assert [constant.learning_rate(step) for step in (0, 13, 25)] == [1e-2] * 3
    rates = [cosine.learning_rate(step) for step in range(30)]
    assert rates[:2] == pytest.approx([0.5e-2, 1e-2])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[2] == 1e-2
    # Half of the way down, and nearly at a tenth in the last step, one of 28 before the end.
    assert rates[16] == pytest.approx(0.55e-2)
    assert rates[-1] == pytest.approx(1e-3, rel=0.05)
    cosine.step()
    assert {group["lr"] for group in cosine.optimizer.param_groups} == {rates[0]}


def test_the_rate_of_both_profiles_falls():
    for profile in PROFILES.values():
        made = trainer(60, replace(profile, batch_size=4))
        rates = [made.learning_rate(step) for step in range(60)]
        assert max(rates) == profile.learning_rate
        # To a tenth, and nearly there in the last step.
        assert rates[-1] == pytest.approx(profile.learning_rate / 10, rel=0.05)


def test_only_the_weights_of_linear_layers_decay():
    model = Tiny()
    decaying, others = make_optimizer(model, 1e-3, "cpu").param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert {id(weight) for weight in decaying["params"]} == {id(model.mix.weight), id(model.head.weight)}
    assert len(others["params"]) == len(list(model.parameters())) - 2
    assert decaying["betas"] == (0.9, 0.95)


def test_it_learns():
    made = trainer(120)
    losses = [made.step().item() for _ in range(120)]
    # The text says nothing but 0, 1, 2, 3, 4 in a circle: after the start, only dropout makes mistakes.
    assert losses[0] > 1.4
    assert sum(losses[-10:]) / 10 < 0.3
    assert made.validation_loss(TEXT) < 0.1
    assert made.done == 120


def test_gradients_are_clipped():
    made = trainer()
    made.model.head.weight.data *= 1e3
    made.step()
    norm = torch.stack([weight.grad.norm() for weight in made.model.parameters()]).norm().item()
    # What the optimizer got: float32 rounds.
    assert norm == pytest.approx(1.0, rel=1e-4)


def test_a_state_goes_on_to_the_very_same_weights():
    whole = trainer()
    for _ in range(20):
        whole.step()
    halted = trainer()
    for _ in range(9):
        halted.step()
    state = copy.deepcopy(halted.state())
    # Whatever happens in between.
    torch.rand(100)
    resumed = trainer(seed=0)
    resumed.resume(state)
    assert resumed.done == 9
    for _ in range(11):
        resumed.step()
    for name, weight in whole.model.state_dict().items():
        # One thread adds in one order: not a bit may differ, or the order or the dropout was another one.
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_validation_has_no_dropout_and_draws_nothing():
    made = trainer()
    before = torch.get_rng_state()
    first = made.validation_loss(TEXT)
    assert made.validation_loss(TEXT) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert made.step().requires_grad is False
    assert made.model.training


def test_attention_is_named():
    made = trainer()
    before = torch.get_rng_state()
    assert made.attention() == "flash_attention_for_cpu"
    assert torch.equal(torch.get_rng_state(), before)
    made.model.fused = False
    assert made.attention() == "step by step"


def test_the_kernel_without_a_name_of_its_own():
    made = trainer()
    # The processor's flash kernel knows no dropout.
    made.model.attention_dropout = 0.5
    assert made.attention() == "math"


def test_bfloat16_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(devices, "fastest_precision", lambda device: "bfloat16")
    assert devices.choose_dtype("cpu") == torch.bfloat16
    seen = []
    made = trainer()
    made.model.head.register_forward_hook(lambda layer, given, output: seen.append(output.dtype))
    loss = made.step()
    assert seen == [torch.bfloat16]
    assert loss.dtype == torch.float32
    assert {weight.dtype for weight in made.model.parameters()} == {torch.float32}
    monkeypatch.setattr(devices, "fastest_precision", lambda device: "float32")
    assert trainer().dtype_name == "float32"


def test_what_cannot_be_trained_is_said():
    with pytest.raises(CourseError, match="8 tokens has no window of 8"):
        Trainer(Tiny(), TEXT[:8], SMALL)
    with pytest.raises(CourseError, match=r"the loss is nan after step 0: .* learning_rate=0\.0025"):
        trainer().check_finite(float("nan"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_a_state_goes_on_to_nearly_the_same_loss():
    whole = trainer(device="cuda")
    losses = [whole.step().item() for _ in range(20)]
    halted = trainer(device="cuda")
    for _ in range(9):
        halted.step()
    state = copy.deepcopy(halted.state())
    torch.rand(100, device="cuda")
    resumed = trainer(device="cuda")
    resumed.resume(state)
    # Kernels of a GPU add in no fixed order, and in bfloat16 (8 bits) a step passes the difference on.
    assert [resumed.step().item() for _ in range(11)] == pytest.approx(losses[9:], rel=0.05)
