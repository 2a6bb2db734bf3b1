"""Moves what a process holds in memory into a sealed file in memory, of which forks map only the pages that they touch.

A fork copies an entry for every page that its parent has made itself, and the end of the fork walks through them again:
for a process with numeric libraries that takes longer than most answers. Pages of a file that nobody has written to are
left out and are found when they are needed. So, once everything is imported, pages are copied to a file and the file is
mapped in their place, privately: writing to a page still makes it the own one of who writes. The file has no name, is
closed, and is sealed, so nobody can change what other forks find in it.

Between the copy of a page and the change of its mapping nothing may write to it, and any line of Python would. Both
steps are calls of the C library, made one after the other by its user contexts (makecontext, with a stack for each
call outside the memory that is moved) without a return to Python.

It needs nothing but Python's standard library, and stands alone, because it runs in a sandbox.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
from typing import Any, NamedTuple

_PAGE = mmap.PAGESIZE
# Present, or swapped out: see "pagemap" in the kernel's documentation.
_THERE, _OF_A_FILE = 0xC0, 0x20
# Pages: shorter runs stay where they are, and shorter gaps are taken along, so that mappings do not become too many.
_SHORTEST_RUN, _LONGEST_GAP = 64, 32
# No library has as much that it changes; beyond, looking takes long.
_MOST_PAGES = 2**20
# Of a part of a library: the share of its pages that were changed.
_WORTH_IT = 1 / 8
_RIGHTS = {"rw-p": mmap.PROT_READ | mmap.PROT_WRITE, "r--p": mmap.PROT_READ}
# Of each file; a sandbox has a limit for the size of one.
_FILE_BYTES = 64 * 2**20
# Bytes that are held twice for a moment.
_CHUNK = 4 * 2**20
_MOST_CALLS = 4_000
# Of a context and its stack; that of the largest context known (aarch64) is below 5 KiB.
_CONTEXT_BYTES, _STACK_BYTES = 8_192, 16_384
# uc_link and uc_stack, behind uc_flags.
_LINK_AND_STACK = struct.Struct("QQixxxxQ")
_AFTER_FLAGS = 8
# Around the structure by which a thread knows itself: the kernel writes there at any moment.
_THREAD_BYTES = 16 * _PAGE
_F_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8
_MAP_FIXED = 0x10


class _Calls(NamedTuple):
    """Functions of the C library."""

    pwrite: Any
    mmap: Any
    getcontext: Any
    makecontext: Any


class _Span(NamedTuple):
    """A mapping; `rights` as mmap takes them, `loaded` if it is a part of a library's file with changes."""

    first: int
    last: int
    rights: int
    loaded: bool


class _Move(NamedTuple):
    address: int
    size: int
    rights: int
    file: int
    offset: int


def move_to_file() -> int:
    """Move this process's own pages.

    Returns:
        How many bytes were moved.

    Raises:
        OSError: the kernel has no such file or no room for it, other threads run, or memory was given back meanwhile;
            nothing was moved.
        AttributeError: the C library has no user contexts; nothing was moved.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise OSError("other threads write to memory meanwhile")
    libc = ctypes.CDLL(None, use_errno=True)
    calls = _Calls(libc.pwrite, libc.mmap, libc.getcontext, libc.makecontext)
    # Before anything is looked at, so that it lies in none of the places that are found.
    area = mmap.mmap(-1, _MOST_CALLS * (_CONTEXT_BYTES + _STACK_BYTES))
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc.pthread_self.restype = ctypes.c_ulong
    itself = libc.pthread_self()
    avoided = [(start, start + len(area)), (itself - _THREAD_BYTES, itself + _THREAD_BYTES)]
    moves = _moves([(*run, span.rights) for span in _spans() for run in _runs(span, avoided)])
    files: list[int] = []
    try:
        for move in moves:
            if move.file == len(files):
                files.append(os.memfd_create("libraries", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC))
            # Afterwards no write can fail for want of room.
            os.posix_fallocate(files[move.file], move.offset, move.size)
        first, last = _chained(calls, start, files, moves)
        spans = _spans()
        if not all(any(_within(one, span) for span in spans) for one in moves):
            raise OSError("memory was given back meanwhile")
        if moves:
            libc.swapcontext(ctypes.c_void_p(last), ctypes.c_void_p(first))
        for file in files:
            fcntl.fcntl(file, _F_ADD_SEALS, _ALL_SEALS)
    finally:
        for file in files:
            os.close(file)
    return sum(one.size for one in moves)


def _spans() -> list[_Span]:
    """Private mappings that may hold pages of this process's own, but for its stack."""
    spans = []
    with open("/proc/self/maps") as file:
        for line in file:
            span, rights, _, _, number, *name = line.split()
            loaded = number != "0"
            if rights in _RIGHTS and (loaded or (rights == "rw-p" and name in ([], ["[heap]"]))):
                first, last = (int(one, 16) for one in span.split("-"))
                spans.append(_Span(first, last, _RIGHTS[rights], loaded))
    return spans


def _within(move: _Move, span: _Span) -> bool:
    inside = span.first <= move.address and move.address + move.size <= span.last
    return inside and span.rights == move.rights


def _runs(span: _Span, avoided: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of pages in a span that are to be moved."""
    pages = (span.last - span.first) // _PAGE
    if pages > _MOST_PAGES or (pages < _SHORTEST_RUN and not span.loaded):
        return []
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        flags = os.pread(file.fileno(), pages * 8, span.first // _PAGE * 8)[7::8]
    if span.loaded:
        changed = sum(1 for one in flags if one & _THERE and not one & _OF_A_FILE)
        # In one piece, so that there are no more mappings than before.
        whole = changed >= pages * _WORTH_IT and not _between(span.first, span.last, avoided)
        return [(span.first, span.last)] if changed and whole else []
    runs: list[list[int]] = []
    for number, one in enumerate(flags):
        place = span.first + number * _PAGE
        if not one & _THERE or _between(place, place + _PAGE, avoided):
            continue
        if runs and place - runs[-1][1] <= _LONGEST_GAP * _PAGE and not _between(runs[-1][1], place, avoided):
            runs[-1][1] = place + _PAGE
        else:
            runs.append([place, place + _PAGE])
    return [(begin, end) for begin, end in runs if end - begin >= _SHORTEST_RUN * _PAGE]


def _between(first: int, last: int, avoided: list[tuple[int, int]]) -> bool:
    return any(begin < last and first < end for begin, end in avoided)


def _moves(runs: list[tuple[int, int, int]]) -> list[_Move]:
    moves, taken = [], 0
    for begin, end, rights in runs:
        for address in range(begin, end, _CHUNK):
            size = min(_CHUNK, end - address)
            if taken % _FILE_BYTES + size > _FILE_BYTES:
                taken = -(-taken // _FILE_BYTES) * _FILE_BYTES
            moves.append(_Move(address, size, rights, taken // _FILE_BYTES, taken % _FILE_BYTES))
            taken += size
    # What is beyond stays as it is.
    return moves[: (_MOST_CALLS - 1) // 2]


def _chained(calls: _Calls, start: int, files: list[int], moves: list[_Move]) -> tuple[int, int]:
    """Contexts for all calls, each followed by the next one.

    Returns:
        The first one, and one that takes up what is to go on after the last.
    """
    flags = mmap.MAP_PRIVATE | _MAP_FIXED
    steps = []
    for address, size, rights, number, offset in moves:
        steps.append((calls.pwrite, (files[number], address, size, offset)))
        steps.append((calls.mmap, (address, size, rights, flags, files[number], offset)))
    places = [start + number * (_CONTEXT_BYTES + _STACK_BYTES) for number in range(len(steps) + 1)]
    for place, following, (call, arguments) in zip(places, places[1:], steps, strict=False):
        calls.getcontext(ctypes.c_void_p(place))
        words = _LINK_AND_STACK.pack(following, place + _CONTEXT_BYTES, 0, _STACK_BYTES)
        ctypes.memmove(place + _AFTER_FLAGS, words, len(words))
        function = ctypes.cast(call, ctypes.c_void_p)
        calls.makecontext(ctypes.c_void_p(place), function, len(arguments), *map(ctypes.c_long, arguments))
    return places[0], places[-1]
