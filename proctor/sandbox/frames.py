"""Messages over a socket: a JSON header and raw bytes, with caps and deadlines, from a peer that may be hostile.

Wire format, big-endian: ``PRF1``, length of the header (4 bytes), length of the body (4 bytes), the header (a JSON
object in UTF-8), the body. Nothing is unpickled or executed. A deadline holds for the whole message, so that a peer
that sends byte by byte gains no time.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from proctor.errors import ProctorError

MAGIC = b"PRF1"
MAX_HEADER = 4 * 2**20
MAX_FRAME = 80 * 2**20
_PREFIX = struct.Struct(">4sII")
_CHUNK = 2**18
# How often whoever waits in the middle of a message is called, in seconds.
_WATCH_EVERY = 0.25


class FrameError(ProctorError):
    """A message could not be exchanged."""


class ChannelClosed(FrameError):
    """The peer is gone."""


class ChannelTimeout(FrameError):
    """The deadline passed before the whole message was there, or was taken."""


class BadFrame(FrameError):
    """What came is no message, or a larger one than is accepted. The channel can't be used any more."""


class Channel:
    """One end of a connected stream socket. Not for use by several threads at once."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, header: dict[str, Any], body: bytes = b"", *, deadline: float | None = None) -> None:
        """Send a message.

        Args:
            header: values of JSON; NaN and infinities are refused.
            deadline: on the clock of `time.monotonic`; None waits as long as it takes.

        Raises:
            BadFrame: it is larger than any peer accepts; nothing was sent.
            ChannelClosed, ChannelTimeout: it was not, or only partly, sent.
        """
        text = json.dumps(header, allow_nan=False).encode()
        if len(text) > MAX_HEADER or len(text) + len(body) > MAX_FRAME:
            raise BadFrame(f"a message of {len(text) + len(body):,} bytes is too large")
        rest = memoryview(_PREFIX.pack(MAGIC, len(text), len(body)) + text + body)
        while rest:
            self._wait(deadline, writing=True)
            try:
                rest = rest[self._socket.send(rest[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelClosed("the other side is gone") from error

    def receive(
        self,
        deadline: float | None = None,
        max_bytes: int = MAX_FRAME,
        watch: Callable[[], None] | None = None,
    ) -> tuple[dict[str, Any], bytes]:
        """Receive a message.

        Args:
            deadline: on the clock of `time.monotonic`; None waits as long as it takes.
            max_bytes: largest accepted sum of header and body.
            watch: called while the message comes in and while it is waited for; ends that by raising.

        Raises:
            BadFrame, ChannelClosed, ChannelTimeout: there is no whole message; the channel can't be used any more.
        """
        magic, header_length, body_length = _PREFIX.unpack(self._exactly(_PREFIX.size, deadline, watch))
        if magic != MAGIC or header_length > MAX_HEADER or header_length + body_length > max_bytes:
            raise BadFrame("what came is no message, or too large")
        text = self._exactly(header_length, deadline, watch)
        body = self._exactly(body_length, deadline, watch)
        try:
            header = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise BadFrame("the header of a message can't be read") from error
        if type(header) is not dict:
            raise BadFrame("the header of a message is no object")
        return header, body

    def ready(self, seconds: float) -> bool:
        """Waits at most so long until something can be received, the end of the peer included."""
        return self._poll(select.POLLIN, max(0.0, seconds))

    def _exactly(self, count: int, deadline: float | None, watch: Callable[[], None] | None) -> bytes:
        # Grows with what has come, so that an announced length costs no memory by itself.
        parts = bytearray()
        while len(parts) < count:
            if watch is not None:
                watch()
                left = _WATCH_EVERY if deadline is None else min(_WATCH_EVERY, deadline - time.monotonic())
                if left > 0 and not self.ready(left):
                    continue
            self._wait(deadline, writing=False)
            try:
                part = self._socket.recv(min(_CHUNK, count - len(parts)))
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelClosed("the other side is gone") from error
            if not part:
                raise ChannelClosed("the other side is gone")
            parts += part
        return bytes(parts)

    def _wait(self, deadline: float | None, writing: bool) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise ChannelTimeout("no answer within the time")
        if not self._poll(select.POLLOUT if writing else select.POLLIN, left):
            raise ChannelTimeout("no answer within the time")

    def _poll(self, event: int, seconds: float | None) -> bool:
        # Not select, which knows no descriptors from 1024 on, and a server may have many.
        poll = select.poll()
        poll.register(self._socket, event)
        return bool(poll.poll(None if seconds is None else seconds * 1000))


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no value of JSON")
