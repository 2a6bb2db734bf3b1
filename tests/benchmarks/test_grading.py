"""The arithmetic of `benchmarks/grading.py`, and what it says to options that make no sense; nothing is graded."""

import math
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark():
    """The script's modules, which find each other as it runs."""
    before = list(sys.path)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import grading

        yield grading
    finally:
        sys.path[:] = before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--students", "0"], "--students is 0; give at least 1"),
        (["--crowd", "-3"], "--crowd is -3; give at least 1"),
        (["--variants", "stock,fast"], "there is no variant 'fast'; there are stock, off, one, all"),
        (["--students", "2", "--turns", "3"], "2 students can't be graded in 3 turns"),
        (["--crowd", "3", "--postgres", "3"], "--crowd and --postgres are 2 measurements; start one after the other"),
        (["--dask", "3", "--postgres", "3"], "--postgres and --dask are 2 measurements; start one after the other"),
        (["--dask", "0"], "--dask is 0; give at least 1"),
    ],
)
def test_options_that_make_no_sense_get_a_line(benchmark, capsys, options, said):
    assert benchmark.main(options) == 2
    assert said in capsys.readouterr().err


def test_a_class_is_what_it_says(benchmark):
    kinds = [one.kind for one in benchmark.class_of(20, "mixed")]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "complete": 10,
        "half": 4,
        "untouched": 2,
        "loop": 1,
        "memory": 2,
        "exit": 1,
    }
    assert {one.kind for one in benchmark.class_of(20, "complete")} == {"complete"}
    assert len({one.name for one in benchmark.class_of(300, "mixed")}) == 300


def test_everybody_is_graded_in_one_turn_and_one_part(benchmark):
    students = benchmark.class_of(23, "mixed")
    parts = [part for turn in range(4) for part in benchmark._parts(students, turn, 4)]
    assert sorted(one.name for _, some in parts for one in some) == [one.name for one in students]
    assert all((one.kind == "complete") == (name == "complete") for name, some in parts for one in some)


def test_paces_of_the_first_and_the_last(benchmark):
    table = benchmark.grading_table
    # The first one is late because the command starts; then one each second, then one each three.
    ends = [30.0, 31.0, 32.0, 33.0, 36.0, 39.0, 42.0]
    assert table.pace(ends, 2) == (1, 3)
    assert table.pace(ends, 50) == (1, 3)
    assert all(math.isnan(one) for one in table.pace(ends[:2], 1))


def test_ratios_are_those_of_equal_turns(benchmark):
    table, use = benchmark.grading_table, sys.modules["process_tree"].Use
    runs = [
        table.Run("stock", 0, "complete", 2, use(0, 100.0, 80.0)),
        table.Run("one", 0, "complete", 2, use(0, 10.0, 8.0)),
        table.Run("stock", 1, "complete", 2, use(0, 60.0, 60.0)),
        table.Run("one", 1, "complete", 2, use(0, 30.0, 12.0)),
        table.Run("one", 1, "others", 1, use(0, 500.0, 7.0), stations={"probes": 9.0}),
    ]
    rows = {line.split(" | ")[0]: line.split(" | ") for line in table.summary(runs, ["stock", "one"]).splitlines()}
    assert rows["| stock"][1:5] == ["40.0", "", "35.0", ""]
    assert rows["| one"][1:5] == ["500.0", "7.0", "0 |"]
    whole = next(line for line in table.summary(runs, ["stock", "one"]).splitlines() if line.startswith("| one | 10.0"))
    assert whole.split(" | ")[2] == "4.00 (2.00 to 10.00)"


def test_two_workers_are_compared_with_one_by_the_command_and_by_each_further_student(benchmark):
    table, use = benchmark.grading_table, sys.modules["process_tree"].Use
    # 20 and 18 seconds of start and end, then ten seconds a student, or two students in ten seconds.
    one = table.Run("one", 0, "complete", 5, use(0, 70.0, 77.0), ends=[30.0, 40.0, 50.0, 60.0, 70.0])
    many = table.Run("all", 0, "complete", 5, use(0, 43.0, 75.0), ends=[23.0, 28.0, 33.0, 38.0, 43.0])
    said = table.side_by_side([one, many])
    assert "all is 1.63 times as fast as one (14.00 and 8.60 s)" in said
    assert "for each further student 2.00 times (10.00 and 5.00 s). Cores at work: 1.10 and 1.74." in said
    assert table.side_by_side([one]) == ""
    few = [table.Run(name, 0, "complete", 1, use(0, 10.0, 10.0), ends=[10.0]) for name in ("one", "all")]
    assert "further" not in table.side_by_side(few)


def test_points_that_differ_are_found(benchmark, capsys):
    variants = [benchmark.VARIANTS[name] for name in ("stock", "off", "all")]
    students = [benchmark.Student("ann", "complete"), benchmark.Student("ben", "half")]
    good = {("ann", "q1"): (2.0, False), ("ann", "essay"): (0.0, True), ("ben", "q1"): (0.0, False)}
    assert not benchmark._compared(variants, {"off": good, "all": dict(good), "stock": {}}, students, 2.0)
    for cell, other in ((("ben", "q1"), (2.0, False)), (("ann", "essay"), (0.0, False)), (("ben", "q2"), (0.0, False))):
        assert benchmark._compared(variants, {"off": good, "all": good | {cell: other}}, students, 2.0)
        assert f"{cell[0]}, {cell[1]}: " in capsys.readouterr().out
    assert benchmark._compared(variants, {"off": good, "all": good}, students, 3.0)
    assert "ann: 2 of 3 points, and everything in it is right" in capsys.readouterr().out


def test_memory_is_added_up_as_seldom_as_costs_little(benchmark, tmp_path, monkeypatch):
    module, asked = sys.modules["process_tree"], []
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_GLANCES", 0.05)
    monkeypatch.setattr(module, "_PART_OF_TIME", 1e-9)
    monkeypatch.setattr(module, "held_bytes", lambda pid: asked.append(pid) or 7)
    use = benchmark.measured(["sleep", "2"], tmp_path, {}, tmp_path / "log")
    held = [every for _, _, every, _ in use.looks]
    assert len(held) > 2
    assert held[0] == 7 * len(asked) == use.peak_bytes() > 0
    assert not any(held[1:])
    assert all(own > 0 for _, own, _, _ in use.looks)


def test_what_a_command_uses_is_that_of_everything_that_it_starts(benchmark, tmp_path):
    # Nobody waits for the grandchild.
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        while time.process_time() < 0.5: pass\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "while time.process_time() < 0.2: pass\n"
        "time.sleep(1)\n"
        "print('done')\n"
    )
    use = benchmark.measured([sys.executable, "-c", program], tmp_path, {}, tmp_path / "log")
    assert (tmp_path / "log").read_text() == "done\n"
    assert use.status == 0
    if "control group" not in use.counted_by:
        pytest.skip(f"computing time is that of {use.counted_by}")
    # 0.7 s of loops; the rest is Python's start.
    assert use.cpu_seconds >= 0.65
    assert not list(Path("/sys/fs/cgroup").glob(f"**/benchmark-{os.getpid()}-*"))
