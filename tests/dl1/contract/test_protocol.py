import copy
import json
import random
import resource
import struct
import tracemalloc
import warnings
from enum import IntEnum, StrEnum
from fractions import Fraction

import numpy as np
import pytest
import torch

from dl1.contract import protocol
from dl1.contract.protocol import DTYPES, ProtocolError, decode, encode, generator, seed


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
        *(float("inf"), float("-inf"), float("nan"), "", "γ = \N{GREEK SMALL LETTER GAMMA}\n", "\0\x7f\u2028😀\uffff"),
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


@pytest.mark.parametrize("dtype", [t for t in DTYPES.values() if t.is_floating_point or t.is_complex], ids=str)
def test_the_bits_of_numbers_are_kept(dtype):
    numbers = [
        0.0,
        -0.0,
        float("inf"),
        float("-inf"),
        float("nan"),
        torch.finfo(dtype).max,
        torch.finfo(dtype).tiny / 2,
    ]
    tensor = torch.tensor(numbers, dtype=dtype)
    if dtype.is_complex:
        tensor = torch.complex(tensor.real, tensor.real.flip(0))
    arrived = decode(encode(tensor))
    assert arrived.dtype == dtype
    assert torch.equal(arrived.view(torch.uint8), tensor.view(torch.uint8))


def test_shapes_of_empty_tensors_and_many_dimensions_come_back():
    for shape in [(0, 5), (5, 0, 7), (1,) * protocol.MAX_RANK]:
        assert decode(encode(torch.ones(shape))).shape == shape


def test_a_tensor_used_twice_arrives_as_two():
    x = torch.zeros(2)
    first, second = decode(encode((x, x)))
    first[0] = 1
    assert second.tolist() == [0, 0]


def test_tensors_arrive_detached_contiguous_and_as_copies():
    base = torch.arange(6.0).view(2, 3)
    views = {
        "transposed": base.T,
        "expanded": torch.tensor([1.0, 2.0]).expand(3, 2),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "negative": torch.tensor([1 + 2j]).conj().imag,
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "computed": torch.nn.Parameter(torch.ones(2)) * 2,
        "strided": torch.arange(10.0)[::3],
        "one element of a column": torch.arange(6.0).view(3, 2)[1:2, 1],
        "channels last": torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "conjugate and negative": torch.tensor([[1 + 2j, 3 - 1j]]).conj().imag.T,
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


class Pairs(dict):
    pass


class Text(str):
    pass


class EqualToAll(type):
    def __eq__(cls, other):
        return True

    __hash__ = type.__hash__


class Chameleon(metaclass=EqualToAll):
    def __iter__(self):
        return iter([1])


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")

    __hash__ = object.__hash__


def without_warnings(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, that these layouts are young
        return make()


@pytest.fixture
def little_memory():
    """No tensor of many gigabytes: what would need one fails instead of filling the machine."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    # The process has less than that of its own; the largest message is 64 MiB.
    resource.setrlimit(resource.RLIMIT_DATA, (16 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Number(3), "Number"),
        (torch.ones(2).as_subclass(Lying), "return a plain torch.Tensor"),
        (torch.nn.UninitializedParameter(), "UninitializedParameter"),
        (Pairs(a=1), "Pairs"),
        (Text("a"), "Text"),
        (Chameleon(), "Chameleon"),
        (torch.Size([2]), "Size"),
        (torch.ones(2).numpy()[0], "float32"),
        (1j, "complex"),
        (b"a", "bytes"),
        ({1: "a"}, "a key of type int: keys have to be str"),
        ({Text("a"): 1}, "a key of type Text"),
        ({True: 1}, "a key of type bool"),
        ({10**5_000: 1}, "a key of type int"),
        ({Unprintable(): 1}, "a key of type Unprintable"),
        (Unprintable(), "Unprintable"),
        ({"a": [1, {"b": object()}]}, r"\['a'\]\[1\]\['b'\]"),
        (torch.ones(2).numpy(), "ndarray"),
        (torch.ones(2).to_sparse(), "make it dense"),
        (torch.ones(2, device="meta"), "make it dense"),
        (without_warnings(torch.ones(2, 2).to_sparse_csr), "make it dense"),
        (without_warnings(lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])), "nested.*make it dense"),
        (torch.ones(2).to(torch.uint16), "torch.uint16"),
        (torch.ones(2).to(torch.float8_e4m3fn), "torch.float8"),
        (torch.ones((1,) * 17), "17 dimensions"),
        (2**63, "more than 64 bits"),
        (-(2**63) - 1, "more than 64 bits"),
        (10**4_000, "more than 64 bits"),
        ("\ud800", "half a character"),
        # As JSON these two would come back as one.
        (["\ud83d\ude00"], r"the value\[0\] has half a character"),
        ({"\udcff": 1}, "a key of the value has half a character"),
        ({1, 2}, "set"),
        (len, "builtin"),
        (torch.float32, "dtype"),
        ("x" * 2**21, "too much for one probe"),
        ([0] * 30_000, "too many items"),
        (torch.zeros(2**25), "use smaller inputs"),
        (torch.zeros(1).expand(10**12), "use smaller inputs"),
        ([torch.zeros(2**22)] * 5_000, "use smaller inputs"),
    ],
)
def test_what_may_not_cross_is_refused_with_its_place(value, words, little_memory):
    with pytest.raises(ProtocolError, match=words):
        encode(value)


class Money(float):
    pass


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (np.float64(0.5), r"numpy.float64.*: use float\(…\)"),
        (np.float32(0.5), r"numpy.float32.*: use float\(…\)"),
        (np.int64(5), r"numpy.int64.*: use int\(…\)"),
        (np.uint8(5), r"numpy.uint8.*: use int\(…\)"),
        (np.bool_(True), r"numpy.bool.*: use bool\(…\)"),
        (np.str_("a"), r"numpy.str_.*: use str\(…\)"),
        (np.complex64(1), "numpy.complex64.*: return tensors, numbers, text"),
        (np.zeros(2), r"numpy.ndarray.*: use torch.as_tensor\(…\) or .tolist\(\)"),
        (Money(1), r"Money.*: use float\(…\)"),
        (Fraction(1, 2), r"Fraction.*: use float\(…\)"),
        (IntEnum("Side", "LEFT").LEFT, r"Side.*: use int\(…\)"),
        (StrEnum("Word", "SAME").SAME, r"Word.*: use str\(…\)"),
        (torch.nn.UninitializedParameter(), "return a plain torch.Tensor"),
        ({1, 2}, "return tensors, numbers, text, or lists of them"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_number_that_may_not_cross_is_told_how_to(value, advice):
    with pytest.raises(ProtocolError, match=r"the value\['accuracies'\]\[1\] is a .*" + advice):
        encode({"accuracies": [0.5, value]})


def test_depth_is_capped_on_both_ways():
    deep = []
    for _ in range(protocol.MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(ProtocolError, match="too deep"):
        encode(deep)
    endless = []
    endless.append(endless)
    with pytest.raises(ProtocolError, match="too deep"):
        encode(endless)
    assert decode(encode(deep[0][0]))
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
        message('{"f": NaN}'),
        message('{"x": ["float32", [NaN], 0]}', "[4]", b"\0" * 4),
        message('"\\ud800"'),
        message('{"d": [["\\udfff", 1]]}'),
        message('"é"'),
        b"DLP1" + struct.pack(">I", 30) + '{"v": 1, "b": []}'.encode("utf-16-le")[:30],
        b"DLP1" + struct.pack(">I", 34) + '{"v": 1, "b": []}'.encode("utf-16-le"),
        message('{"x": ["float32", [1], true]}', "[4, 4]", b"\0" * 8),
        message('{"x": ["float32", [1], 0, 0]}', "[4]", b"\0" * 4),
        message('{"x": ["float32", ' + str([1] * 17) + ", 0]}", "[4]", b"\0" * 4),
        message('{"x": ["bool", [1], 0]}', "[1]", b"\2"),
        message("1", "[" + "0, " * 100_000 + "0]"),
        message("1", "[9223372036854775807]"),
        message("1", "[true]", b"a"),
        message("1", '{"0": 1}'),
        message('1, "v": [1]'),
        message('1, "w": 1'),
        b"DLP1" + struct.pack(">I", 2) + b"[]",
        b"DLP1" + struct.pack(">I", 4) + b"null",
        b"DLP1" + struct.pack(">I", 0),
    ],
)
def test_hostile_messages_are_refused(hostile):
    with pytest.raises(ProtocolError):
        decode(hostile)


def test_a_small_message_cannot_ask_for_much_memory():
    for shape in ([0, 2**62], [2**26 + 1, 0, 1], [2**31, 2**31, 0]):
        with pytest.raises(ProtocolError, match="absurd shape"):
            decode(message(f'{{"x": ["int8", {shape}, 0]}}', "[0]"))
    tracemalloc.start()
    try:
        for hostile in (message("[" * 400_000), message('{"x": ["int64", [1099511627776], 0]}', "[8]", b"\0" * 8)):
            with pytest.raises(ProtocolError):
                decode(hostile)
        # A list for each bracket would take fifty times as much as the message of 0.4 MB.
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


def test_messages_of_the_largest_size_pass():
    room = protocol.MAX_BYTES - len(encode(torch.zeros(2**25, dtype=torch.bool)[:1])) - 16
    assert decode(encode(torch.ones(room, dtype=torch.bool))).all()
    with pytest.raises(ProtocolError, match="not a probe message"):
        decode(b"DLP1" + bytes(protocol.MAX_BYTES))


def tampered(rng: random.Random, whole: bytes) -> bytes:
    """A message with a header that is JSON and has another value in one place, and fitting lengths."""
    (length,) = struct.unpack(">I", whole[4:8])
    header = json.loads(whole[8 : 8 + length])
    places = []

    def walk(node):
        for key in range(len(node)) if isinstance(node, list) else list(node):
            places.append((node, key))
            if isinstance(node[key], (list, dict)):
                walk(node[key])

    walk(header)
    node, key = rng.choice(places)
    odd = [0, 1, -1, 2**31, 2**63, 10**30, True, None, "", "nan", "f", "float64", "\ud800", [], {}, [[]], {"l": []}]
    node[key] = rng.choice(
        [*odd, {"x": ["bool", [2], 0]}, {"d": [["", 1], ["", 1]]}, {"f": "1"}, copy.deepcopy(node[key])]
    )
    if isinstance(node, dict) and rng.random() < 0.2:
        node[rng.choice(["l", "t", "d", "x", "v", "b"])] = node.pop(key)
    text = json.dumps(header).encode()
    return b"DLP1" + struct.pack(">I", len(text)) + text + whole[8 + length :]


def test_thousands_of_tampered_headers_give_a_value_of_the_contract_or_a_protocol_error(little_memory):
    rng = random.Random(1)
    value = {
        "a": [1, 2.5, "x", None, True, ()],
        "t": (torch.arange(6).view(2, 3), torch.ones(2) > 0),
        "n": float("nan"),
    }
    whole = encode(value)
    refused = 0
    for _ in range(5_000):
        try:
            arrived = decode(tampered(rng, whole))
        except ProtocolError:
            refused += 1
        else:
            # Whatever came through may cross again, unchanged.
            assert same(decode(encode(arrived)), arrived)
    assert 2_000 < refused < 4_990


def test_random_bytes_are_no_message():
    rng = random.Random(2)
    for _ in range(2_000):
        body = rng.randbytes(rng.randint(0, 60))
        for hostile in (body, b"DLP1" + body, b"DLP1" + struct.pack(">I", len(body) // 2) + body):
            with pytest.raises(ProtocolError):
                decode(hostile)


def test_every_cut_of_a_message_is_refused():
    whole = encode([1.5, "text", torch.ones(3), {"a": torch.zeros(0)}])
    for length in range(len(whole)):
        with pytest.raises(ProtocolError):
            decode(whole[:length])


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
        first = seed("a")
        protocol.use_seed_key(b"another secret")
        assert seed("a") not in (first, public)
        protocol.use_seed_key(b"secret")
        assert seed("a") == first
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
