"""The two networks: sizes, six kinds of padding, and what their heads do with a place."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from dl1.padding.nets import CONV_TYPES, NET_TYPES, PADDING, PaddingNet, _CircularPad

LAST_MAP = {"valid": 2, "sconv": 4, "fconv": 6, "circular": 6, "reflect": 6, "replicate": 6}


@pytest.mark.parametrize("net_type", NET_TYPES)
@pytest.mark.parametrize("conv_type", CONV_TYPES)
def test_sizes(net_type, conv_type):
    net = PaddingNet(net_type, conv_type)
    maps = net.features(torch.rand(2, 3, 32, 32))
    assert [values.shape[1] for values in maps] == [32, 32, 64, 64]
    assert maps[-1].shape[2:] == (LAST_MAP[conv_type],) * 2
    assert net.map_size() == LAST_MAP[conv_type]
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 2)
    assert [name for name, _ in net.named_parameters() if "convolutions" in name and "bias" in name] == []
    head = 64 * 2 + 2 if net_type == "Net1" else (64 * LAST_MAP[conv_type] ** 2 * 64 + 64) + (64 * 2 + 2)
    convolutions = 9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    assert sum(weight.numel() for weight in net.parameters()) == convolutions + head


@pytest.mark.parametrize("conv_type", CONV_TYPES)
def test_layers_pad_as_torch_does(conv_type):
    net = PaddingNet("Net1", conv_type)
    mode, width = PADDING[conv_type]
    x = torch.rand(2, 3, 32, 32)
    for convolution, mine in zip(net.convolutions, net.features(x), strict=True):
        # nn.Conv2d itself, which knows these modes.
        layer = nn.Conv2d(
            convolution.in_channels, convolution.out_channels, 3, convolution.stride, width, 1, 1, False, mode
        )
        layer.load_state_dict(convolution.state_dict())
        x = F.relu(layer(x))
        # Sums of at most 576 products in float32.
        torch.testing.assert_close(mine, x, rtol=1e-4, atol=1e-5)


def test_circular_padding_and_its_gradient():
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.equal(_CircularPad.apply(x, 2), F.pad(x, (2,) * 4, mode="circular"))
    assert torch.autograd.gradcheck(lambda images: _CircularPad.apply(images, 2), x)
    image = x.detach().contiguous(memory_format=torch.channels_last)
    assert _CircularPad.apply(image, 1).is_contiguous(memory_format=torch.channels_last)


def test_only_net2_sees_the_place_of_a_pattern():
    image = torch.zeros(1, 3, 32, 32)
    image[:, 0, 8:12, 8:12] = 100
    # By 8 pixels, the distance between two places of the last map, so that every layer sees the same pattern.
    moved = image.roll(8, dims=2)
    torch.manual_seed(0)
    net1, net2 = PaddingNet("Net1", "fconv"), PaddingNet("Net2", "fconv")
    torch.testing.assert_close(net1(image), net1(moved))
    assert (net2(image) - net2(moved)).abs().max() > 0.01


def test_net1_classifies_the_largest_value_of_each_map():
    net, images = PaddingNet("Net1", "sconv"), torch.rand(3, 3, 32, 32)
    largest = net.features(images)[-1].flatten(2).max(dim=2).values  # (3, 64, 4, 4) -> (3, 64)
    torch.testing.assert_close(net(images), net.classifier(largest))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("Net3", "valid"), "no net 'Net3': choose one of Net1, Net2"), (("Net1", "same"), "no convolution 'same'")],
)
def test_unknown_names_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PaddingNet(*arguments)
