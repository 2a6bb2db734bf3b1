"""A process on a worker machine that does jobs one after the other, as they come; the machine's own process feeds it.

    python -m proctor.jobs.grader LIFELINE LINE      two descriptors

Of its own because grading forks and waits for signals, and whoever brings the jobs has threads.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from proctor.grading import warmed
from proctor.jobs import message, worker
from proctor.jobs.doing import run
from proctor.jobs.job import Accident, Done
from proctor.sandbox import cgroups
from proctor.sandbox.folders import OwnFolder, sweep
from proctor.submission import Surroundings

# Said when a job is begun: from then on the death of this process has perhaps to do with it.
BEGUN = b"begun"
# Then nobody seems to need it any more, and it holds memory.
_SECONDS_IDLE = 600.0


def main(lifeline: Connection, line: Connection) -> None:
    """Do what comes; it ends when nothing does, or the other end is gone."""
    made: list[Surroundings] = []
    try:
        worker.begin(lifeline, _prepare, line, made)
        while line.poll(_SECONDS_IDLE):
            worker.do(_do, line, *made)
    except (EOFError, OSError):
        pass
    worker.end()


def _prepare(line: Connection, made: list[Surroundings]) -> None:
    # What a killed one has left.
    sweep()
    cgroups.sweep()
    own = OwnFolder("data-")
    worker.at_end(own.remove)
    around = warmed(message.to_surroundings(line.recv_bytes(), own.path / "data"))
    worker.at_end(around.pool.close)
    made.append(around)


def _do(line: Connection, around: Surroundings) -> None:
    text = line.recv_bytes()
    line.send_bytes(BEGUN)
    try:
        done = run(message.to_job(text), around)
    except Exception as error:
        done = Done(accident=Accident.of(error))
    line.send_bytes(message.of_done(done))


if __name__ == "__main__":
    main(*(Connection(int(number)) for number in sys.argv[1:]))
