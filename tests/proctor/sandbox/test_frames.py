import json
import random
import socket
import struct
import threading
import time

import pytest

from proctor.errors import ProctorError
from proctor.sandbox.frames import MAX_HEADER, BadFrame, Channel, ChannelClosed, ChannelTimeout, FrameError


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


def frame(header: bytes, body: bytes = b"") -> bytes:
    return b"PRF1" + struct.pack(">II", len(header), len(body)) + header + body


def soon() -> float:
    return time.monotonic() + 0.2


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 20_000])
def test_messages_arrive_whole(pair, body):
    channel, theirs = pair
    other = Channel(theirs)
    header = {"text": "γ\n", "numbers": [1, 2.5, None, True], "nested": {"a": []}}
    sender = threading.Thread(target=other.send, args=(header, body))
    sender.start()
    assert channel.receive(time.monotonic() + 30) == (header, body)
    sender.join()


def test_several_messages_keep_their_order(pair):
    channel, theirs = pair
    other = Channel(theirs)
    for number in range(5):
        other.send({"number": number})
    assert [channel.receive(soon())[0]["number"] for _ in range(5)] == list(range(5))


def test_the_end_of_the_peer_is_noticed(pair):
    channel, theirs = pair
    theirs.sendall(frame(b'{"a": 1}')[:-3])
    theirs.close()
    with pytest.raises(ChannelClosed):
        channel.receive(soon())


def test_sending_to_a_peer_that_is_gone(pair):
    channel, theirs = pair
    theirs.close()
    with pytest.raises(ChannelClosed):
        channel.send({"a": "x" * 100_000})


def test_silence_ends_at_the_deadline(pair):
    with pytest.raises(ChannelTimeout):
        pair[0].receive(soon())


def test_dripped_bytes_gain_no_time(pair):
    channel, theirs = pair
    stop = threading.Event()

    def drip():
        for byte in frame(b'{"a": ' + b" " * 10_000 + b"1}"):
            if stop.wait(0.02):
                return
            theirs.send(bytes([byte]))

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(ChannelTimeout):
        channel.receive(time.monotonic() + 0.5)
    stop.set()
    dripping.join()


def test_the_watch_is_called_while_words_come_in_as_well_as_while_they_do_not(pair):
    channel, theirs = pair
    theirs.sendall(frame(b"{}", b"x" * 1000))
    seen = []
    assert channel.receive(soon(), watch=lambda: seen.append(1)) == ({}, b"x" * 1000)
    assert seen

    def no_more():
        raise InterruptedError

    theirs.sendall(frame(b"{}"))
    with pytest.raises(InterruptedError):
        channel.receive(soon(), watch=no_more)


def test_a_peer_that_takes_nothing_can_not_hold_the_sender(pair):
    with pytest.raises(ChannelTimeout):
        pair[0].send({}, b"x" * 10_000_000, deadline=time.monotonic() + 0.3)


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x80\x04cos\nsystem\n" + b"." * 20,
        b"PRF2" + struct.pack(">II", 2, 0) + b"{}",
        b"PRF1" + struct.pack(">II", MAX_HEADER + 1, 0),
        b"PRF1" + struct.pack(">II", 2, 2**32 - 1) + b"{}",
        frame(b"[]"),
        frame(b"1"),
        frame(b'{"a": NaN}'),
        frame(b'{"a": 1'),
        frame(b"\xff\xfe"),
        frame(b'{"a":' + b"[" * 200_000),
        frame(b'{"a": ' + b"9" * 10_000 + b"}"),
    ],
)
def test_what_is_no_message_is_refused(pair, hostile):
    channel, theirs = pair
    sender = threading.Thread(target=theirs.sendall, args=(hostile,))
    sender.start()
    with pytest.raises(BadFrame):
        channel.receive(time.monotonic() + 5)
    sender.join()


def test_the_callers_cap_counts(pair):
    channel, theirs = pair
    theirs.sendall(frame(b"{}", b"x" * 100))
    with pytest.raises(BadFrame):
        channel.receive(soon(), 50)


def test_too_large_messages_are_not_sent(pair):
    with pytest.raises(BadFrame, match="too large"):
        pair[0].send({"a": "x" * (MAX_HEADER + 1)})
    with pytest.raises(ValueError, match="JSON compliant"):
        pair[0].send({"a": float("nan")})


def test_random_bytes_only_ever_give_frame_errors():
    rng = random.Random(0)
    whole = frame(json.dumps({"a": [1, 2]}).encode(), b"body")
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        ours, theirs = socket.socketpair()
        theirs.sendall(damaged[: rng.randint(0, len(damaged))])
        theirs.close()
        channel = Channel(ours)
        try:
            header, _ = channel.receive(soon())
            assert type(header) is dict
        except FrameError:
            pass
        channel.close()


def test_errors_are_the_packages_own():
    assert issubclass(FrameError, ProctorError)


def test_ready_says_when_something_came(pair):
    channel, theirs = pair
    assert not channel.ready(0.01)
    theirs.sendall(b"x")
    assert channel.ready(1)
