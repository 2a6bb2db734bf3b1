"""The sum of memory that processes share: never too small, whatever they do to it."""

import random

from proctor.sandbox.memory import SharedMemory


class Processes:
    """Processes with pages that several of them may share, as the kernel would tell of them."""

    def __init__(self, numbers: random.Random) -> None:
        self.numbers = numbers
        self.pages: dict[int, set[int]] = {0: set()}
        self.faults = {0: 0}
        self.measured = 0
        self._next = 1

    def new(self) -> int:
        self._next += 1
        return self._next

    def used(self) -> int:
        return len(set().union(*self.pages.values()))

    def part(self, process: int) -> float:
        self.measured += 1
        sharing = [sum(page in pages for pages in self.pages.values()) for page in self.pages.get(process, ())]
        return sum(1 / count for count in sharing)

    def states(self) -> dict[int, tuple[int, int]]:
        return {one: (self.faults[one], len(pages)) for one, pages in self.pages.items()}

    def step(self) -> None:
        """One thing that a process may do to its memory."""
        one = self.numbers.choice(sorted(self.pages))
        what = self.numbers.choice(["take", "take", "fork", "write", "leave", "end"])
        if what == "take":
            self.pages[one] |= {self.new() for _ in range(self.numbers.randrange(20))}
            self.faults[one] += 1
        elif what == "fork":
            other = self.new()
            self.pages[other], self.faults[other] = set(self.pages[one]), 0
        elif what == "write" and self.pages[one]:
            # A shared page that is written to becomes an own one; the size stays.
            self.pages[one].remove(self.numbers.choice(sorted(self.pages[one])))
            self.pages[one].add(self.new())
            self.faults[one] += 1
        elif what == "leave" and self.pages[one]:
            self.pages[one].pop()
        elif what == "end" and len(self.pages) > 1:
            del self.pages[one]


def test_what_is_said_is_never_less_than_what_is_used():
    for seed in range(200):
        processes = Processes(random.Random(seed))
        memory = SharedMemory(processes.part)
        for _ in range(60):
            for _ in range(processes.numbers.randrange(4)):
                processes.step()
            assert memory.bytes(processes.states(), 10**9) >= processes.used() - 1e-6, seed


def test_above_what_is_allowed_it_is_exact():
    processes = Processes(random.Random(1))
    memory = SharedMemory(processes.part)
    for _ in range(100):
        processes.step()
        said, used = memory.bytes(processes.states(), 30), processes.used()
        assert said >= used - 1e-6
        if said > 30:
            assert abs(said - used) < 1e-6


def test_who_rests_is_not_measured_again():
    processes = Processes(random.Random(2))
    processes.pages = {one: set(range(100)) for one in range(50)}
    processes.faults = dict.fromkeys(range(50), 0)
    memory = SharedMemory(processes.part)
    for _ in range(10):
        assert abs(memory.bytes(processes.states(), 10**9) - 100) < 1e-6
    processes.faults[7] += 1
    memory.bytes(processes.states(), 10**9)
    assert processes.measured == 51
