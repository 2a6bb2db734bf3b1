"""Seconds by station: off by default; what runs inside of another station counts for itself alone."""

import json
import os
import time

import pytest

from proctor import stations


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves, so that nothing depends on how fast this machine is."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv(stations.VARIABLE, str(tmp_path / "stations"))
    return tmp_path / "stations"


def test_nothing_is_written_or_kept_without_the_variable(tmp_path, monkeypatch, clock):
    monkeypatch.delenv(stations.VARIABLE, raising=False)
    with stations.station("cells"):
        clock(1)
    assert stations._here.sums == {}
    assert list(tmp_path.iterdir()) == []
    assert stations.read(tmp_path / "stations") == {}


def test_the_sum_of_all_stations_is_the_time_of_the_outermost(file, clock):
    @stations.timed(lambda kind: f"{kind} cells")
    def cell(kind):
        clock(2)

    @stations.timed("engine")
    def grade():
        clock(1)
        cell("given")
        cell("answer")
        with stations.station("probes"):
            clock(4)
            cell("given")
        clock(8)
        return "record"

    assert grade() == "record"
    assert grade.__name__ == "grade"
    assert stations.read(file) == {"engine": 9, "given cells": 4, "probes": 4, "answer cells": 2}
    assert len(file.read_text().splitlines()) == 1


def test_a_station_that_ends_in_an_accident_counts_and_leaves_nothing_open(file, clock):
    @stations.timed("probes")
    def ask():
        clock(3)
        raise ValueError("accident")

    with stations.station("engine"), pytest.raises(ValueError, match="accident"):
        ask()
    assert stations.read(file) == {"probes": 3, "engine": 0}


def test_all_processes_write_into_one_file(file, clock):
    with stations.station("loop"):
        # A worker that is forked in the middle of one is in none.
        if (pid := os.fork()) == 0:
            with stations.station("engine"):
                clock(2)
            os._exit(0)
        os.waitpid(pid, 0)
        clock(1)
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"engine": 2}, {"loop": 1}]
    assert stations.read(file) == {"engine": 2, "loop": 1}
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_no_accident(tmp_path, monkeypatch, clock):
    monkeypatch.setenv(stations.VARIABLE, str(tmp_path / "nowhere" / "stations"))
    with stations.station("engine"):
        clock(1)
    assert stations._here.inside == []
