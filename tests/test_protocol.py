import json
import random
import struct

import pytest
import torch

from dl1 import protocol
from dl1.protocol import DTYPES, ProtocolError, decode, encode, generator, seed


def same(a, b) -> bool:
    """Equal in type and value, NaN equal to NaN, 0.0 different from -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and repr(a.tolist()) == repr(b.tolist())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return repr(a) == repr(b)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, 1, -(2**63), 2**63 - 1, 0.0, -0.0, 0.1, 1e308, 5e-324),
        *(float("inf"), float("-inf"), float("nan"), "", "γ = \N{GREEK SMALL LETTER GAMMA}\n", "\ud800"),
        *([], (), {}, [1, 1.0, True], (1, (2, [3])), {"a": {"b": (None,)}, "": []}),
    ],
)
def test_plain_values_come_back_with_their_types(value):
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_tensors_of_every_dtype_come_back(name, shape):
    tensor = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 3).to(DTYPES[name])
    assert same(decode(encode(tensor)), tensor)


def test_tensors_arrive_detached_contiguous_and_as_copies():
    base = torch.arange(6.0).view(2, 3)
    views = {
        "transposed": base.T,
        "expanded": torch.tensor([1.0, 2.0]).expand(3, 2),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "negative": torch.tensor([1 + 2j]).conj().imag,
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "computed": torch.nn.Parameter(torch.ones(2)) * 2,
    }
    arrived = decode(encode(views))
    for name, tensor in views.items():
        assert type(arrived[name]) is torch.Tensor, name
        assert torch.equal(arrived[name], tensor.detach().resolve_conj().resolve_neg()), name
        assert arrived[name].is_contiguous(), name
        assert not arrived[name].requires_grad, name
    arrived["transposed"][0, 0] = 99
    assert base[0, 0] == 0


class Number(int):
    pass


class Lying(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Number(3), "Number"),
        (torch.ones(2).as_subclass(Lying), "return a plain torch.Tensor"),
        ({1: "a"}, "keys have to be str"),
        ({"a": [1, {"b": object()}]}, r"\['a'\]\[1\]\['b'\]"),
        (torch.ones(2).numpy(), "ndarray"),
        (torch.ones(2).to_sparse(), "make it dense"),
        (torch.ones(2, device="meta"), "make it dense"),
        (2**63, "more than 64 bits"),
        ({1, 2}, "set"),
        (len, "builtin"),
        (torch.float32, "dtype"),
        ("x" * 2**21, "too much for one probe"),
        ([0] * 30_000, "too many items"),
        (torch.zeros(2**25), "use smaller inputs"),
    ],
)
def test_what_may_not_cross_is_refused_with_its_place(value, words):
    with pytest.raises(ProtocolError, match=words):
        encode(value)


def test_depth_is_capped_on_both_ways():
    deep = []
    for _ in range(protocol.MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(ProtocolError, match="too deep"):
        encode(deep)
    with pytest.raises(ProtocolError, match="too deep"):
        decode(message('{"l":[' * 40 + "1" + "]}" * 40))


def message(value: str, lengths: str = "[]", body: bytes = b"") -> bytes:
    header = f'{{"v": {value}, "b": {lengths}}}'.encode()
    return b"DLP1" + struct.pack(">I", len(header)) + header + body


def test_the_helper_makes_proper_messages():
    assert decode(message('{"x": ["float32", [1], 0]}', "[4]", b"\0\0\0\0")).tolist() == [0.0]


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"DLP1",
        b"\x80\x04cos\nsystem\n.",
        b"DLP1" + struct.pack(">I", 2**32 - 1),
        message("1")[:-1],
        message("1") + b"x",
        message("1", "[3]", b"abc"),
        message("1", "[-1]"),
        message("1", "[1.0]", b"a"),
        message("1.5"),
        message("NaN"),
        message("9" * 5_000),
        message("9223372036854775808"),
        message('{"f": "nonsense"}'),
        message('{"f": "0x1p99999"}'),
        message('{"f": 1}'),
        message('{"l": 1}'),
        message('{"l": [], "t": []}'),
        message('{"z": []}'),
        message('{"d": [["a", 1], ["a", 2]]}'),
        message('{"d": [[1, 1]]}'),
        message('{"d": ["ab"]}'),
        message("[" * 100_000),
        message("[1]"),
        message('{"x": ["float32", [2], 0]}', "[4]", b"\0" * 4),
        message('{"x": ["float32", [-1], 0]}', "[4]", b"\0" * 4),
        message('{"x": ["float32", [1.0], 0]}', "[4]", b"\0" * 4),
        message('{"x": ["float32", [true], 0]}', "[4]", b"\0" * 4),
        message('{"x": ["float32", [1], 1]}', "[4]", b"\0" * 4),
        message('{"x": ["float32", [1], -1]}', "[4]", b"\0" * 4),
        message('{"x": ["qint8", [4], 0]}', "[4]", b"\0" * 4),
        message('{"x": [["float32"], [1], 0]}', "[4]", b"\0" * 4),
        message('{"x": ["float32", [0, 4611686018427387904, 4611686018427387904], 0]}', "[0]"),
        message('{"x": ["float32", [4294967296, 4294967296], 0]}', "[0]"),
        message('{"x": ["bool", [4], 0]}', "[4]", b"\0\1\2\0"),
        message('{"l": [{"x": ["uint8", [1], 0]}, {"x": ["uint8", [1], 0]}]}', "[1]", b"a"),
        message('{"l": [' + ",".join(["1"] * 30_000) + "]}"),
    ],
)
def test_hostile_messages_are_refused(hostile):
    with pytest.raises(ProtocolError):
        decode(hostile)


def test_thousands_of_damaged_messages_give_a_value_or_a_protocol_error():
    rng = random.Random(0)
    value = {"a": [1, 2.5, "x", None, True], "t": (torch.arange(6).view(2, 3), torch.rand(2)), "n": float("nan")}
    whole = encode(value)
    refused = 0
    for _ in range(5_000):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(damaged))
            damaged[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        try:
            decode(bytes(damaged))
        except ProtocolError:
            refused += 1
    assert refused > 3_000


def test_the_same_name_draws_the_same_numbers_and_other_names_and_keys_others():
    assert seed("a") == seed("a")
    assert len({seed("a"), seed("b"), seed("a ")}) == 3
    assert all(0 <= seed(str(i)) < 2**63 for i in range(100))
    assert torch.equal(torch.rand(3, generator=generator("a")), torch.rand(3, generator=generator("a")))
    public = seed("a")
    protocol.use_seed_key(b"secret")
    try:
        assert seed("a") != public
    finally:
        protocol.use_seed_key(None)
    assert seed("a") == public


def test_error_texts_are_cut():
    error = protocol.ProbeError(("ValueError", "Exception"), "x" * 10_000)
    assert len(error.text) == protocol.MAX_ERROR_TEXT
    assert "xxx" not in str(error)


def test_headers_are_plain_ascii_json():
    whole = encode({"γ": torch.ones(1)})
    (length,) = struct.unpack(">I", whole[4:8])
    header = whole[8 : 8 + length].decode("ascii")
    assert json.loads(header)["b"] == [4]
