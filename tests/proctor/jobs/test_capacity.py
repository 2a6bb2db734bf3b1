"""How many at a time: cores, those that a container is given, and memory."""

import os
from types import SimpleNamespace

import pytest

from proctor.jobs import capacity
from proctor.jobs.capacity import BYTES_PER_WORKER, cores, default_workers, free_bytes


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(capacity.psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * BYTES_PER_WORKER))


@pytest.mark.parametrize(
    ("text", "count"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8), ("?", 8)]
)
def test_a_container_may_have_fewer_cores(tmp_path, text, count):
    assert cores(tmp_path) == 8
    (tmp_path / "cpu.max").write_text(f"{text}\n")
    assert cores(tmp_path) == count


@pytest.mark.parametrize(
    "names", [("memory.max", "memory.current", ""), ("limit_in_bytes", "usage_in_bytes", "total_")]
)
def test_a_container_may_have_less_memory(tmp_path, names):
    limit, used, prefix = names
    folder = tmp_path if prefix == "" else tmp_path / "memory"
    folder.mkdir(exist_ok=True)
    if prefix:
        limit, used = f"memory.{limit}", f"memory.{used}"
    (folder / limit).write_text("9000\n")
    (folder / used).write_text("5000\n")
    (folder / "memory.stat").write_text(f"anon 4000\n{prefix}inactive_file 700\n")
    assert free_bytes(tmp_path) == 4700
    (folder / limit).write_text("max\n")
    assert free_bytes(tmp_path) == 100 * BYTES_PER_WORKER


@pytest.mark.parametrize(("free", "count"), [(100.0, 8), (3.9, 3), (0.1, 1)])
def test_where_memory_is_short_there_are_fewer_and_one_at_least(monkeypatch, free, count):
    monkeypatch.setattr(capacity, "free_bytes", lambda: int(free * BYTES_PER_WORKER))
    monkeypatch.setattr(capacity, "cores", lambda: 8)
    assert default_workers() == count
