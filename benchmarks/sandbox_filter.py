"""What the sandbox's filter of system calls costs: time to start, and time of a program that makes many calls.

    python benchmarks/sandbox_filter.py [--runs 15]

Runs with and without the filter take turns, so that what else the machine does hits both; printed are medians and the
median of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from proctor.sandbox import seccomp_filter
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.limits import Limits

PROGRAMS = {
    "start and end": "pass",
    # The worst case: calls that do next to nothing.
    "a million calls": "import os\nfor _ in range(1_000_000):\n    os.getppid()",
    "matrices and files": (
        "import numpy\nfor number in range(60):\n    a = numpy.random.default_rng(0).random((300, 300))\n"
        "    numpy.save('x.npy', a @ numpy.linalg.inv(a))"
    ),
}
# One instruction of classic BPF: return "allow".
ALLOW_ALL = bytes.fromhex("060000000000ff7f")


def seconds(code: str, program: bytes) -> float:
    """Time on the clock of one run in a sandbox with a filter, until the program has ended."""
    seccomp_filter.program = lambda: program
    began = time.perf_counter()
    running = Sandbox("bwrap", Limits()).start([sys.executable, "-I", "-c", code], (), subprocess.DEVNULL)
    status = running.process.wait()
    taken = time.perf_counter() - began
    running.kill()
    if status:
        raise SystemExit(f"the program ended with {status}")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="of each kind")
    runs = parser.parse_args().runs
    problem = availability()
    if problem:
        raise SystemExit(problem)
    whole = seccomp_filter.program()
    print(f"{len(whole) // 8} instructions")
    for name, code in PROGRAMS.items():
        seconds(code, whole)
        pairs = [(seconds(code, whole), seconds(code, ALLOW_ALL)) for _ in range(runs)]
        with_filter, without = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{name:20} with {with_filter:6.3f} s   without {without:6.3f} s   ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
