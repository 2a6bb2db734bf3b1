"""The program in which pages are drawn and texts are made safe, apart from the process that grades or serves.

It takes jobs from standard input and gives results to standard output, each a length and JSON. What a job does with a
student's text happens in forks of it with limits (`proctor.pages.attempts`); it imports once what takes long to import.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
from typing import Any

from proctor.pages.limits import PageLimits

LENGTH = struct.Struct(">Q")
# Whoever needs it again starts another one.
_IDLE_SECONDS = 300.0


def main() -> None:
    """Serves jobs until nobody is there to ask."""
    answers = os.dup(1)
    # What a library prints is no answer.
    os.dup2(2, 1)
    while True:
        job = _receive()
        if job is None:
            return
        body = json.dumps(_done(job)).encode()
        view = memoryview(LENGTH.pack(len(body)) + body)
        while view:
            view = view[os.write(answers, view) :]


def _done(job: dict[str, Any]) -> Any:
    limits = PageLimits(**job.pop("limits"))
    task = job.pop("task")
    # Here, so that a process that only makes texts safe does not import what draws.
    if task == "clean":
        from proctor.pages import sanitise

        return sanitise.clean_here(job["parts"], limits)
    if task in ("addresses", "photo"):
        from proctor.pages import photos

        return photos.addresses_here(job["texts"], limits) if task == "addresses" else photos.photo_here(job, limits)
    if task == "texts":
        from proctor.pages import texts

        return texts.texts_here(job["texts"], job["folder"], limits)
    from proctor.pages import drawing

    return drawing.draw_here(job, limits)


def _receive() -> dict[str, Any] | None:
    head = _exactly(LENGTH.size)
    body = _exactly(LENGTH.unpack(head)[0]) if head is not None else None
    return json.loads(body) if body is not None else None


def _exactly(count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        if not select.select([sys.stdin], [], [], _IDLE_SECONDS)[0]:
            return None
        part = os.read(0, min(2**20, count - len(parts)))
        if not part:
            return None
        parts += part
    return bytes(parts)
