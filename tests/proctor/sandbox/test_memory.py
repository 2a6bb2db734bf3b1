"""The sum of memory that processes share: never too small, whatever they do to it."""

import random

from proctor.sandbox.memory import Part, SharedMemory, State


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

    def part(self, process: int) -> Part:
        self.measured += 1
        sharing = [sum(page in pages for pages in self.pages.values()) for page in self.pages.get(process, ())]
        return Part(sum(1 / count for count in sharing), sharing.count(1))

    def states(self) -> dict[int, State]:
        return {one: State(len(pages), (self.faults[one], len(pages))) for one, pages in self.pages.items()}

    def step(self) -> None:
        """One thing that a process may do to its memory."""
        one, other = self.numbers.choice(sorted(self.pages)), self.numbers.choice(sorted(self.pages))
        what = self.numbers.choice(["take", "take", "fork", "write", "map", "leave", "leave all", "end"])
        if what == "take":
            self.pages[one] |= {self.new() for _ in range(self.numbers.randrange(20))}
            self.faults[one] += 1
        elif what == "fork":
            # Neither has a fault by that alone.
            other = self.new()
            self.pages[other], self.faults[other] = set(self.pages[one]), 0
        elif what == "write" and self.pages[one]:
            # A shared page that is written to becomes an own one; the size stays.
            self.pages[one].remove(self.numbers.choice(sorted(self.pages[one])))
            self.pages[one].add(self.new())
            self.faults[one] += 1
        elif what == "map" and self.pages[other]:
            # A page of a file, or of memory that both have mapped.
            self.pages[one].add(self.numbers.choice(sorted(self.pages[other])))
            self.faults[one] += 1
        elif what == "leave" and self.pages[one]:
            self.pages[one].pop()
        elif what == "leave all":
            self.pages[one].clear()
        elif what == "end" and len(self.pages) > 1:
            del self.pages[one]


def test_what_is_said_is_never_less_than_what_is_used():
    tight = 0
    for seed in range(300):
        processes = Processes(random.Random(seed))
        memory = SharedMemory(processes.part)
        for _ in range(60):
            for _ in range(processes.numbers.randrange(8)):
                processes.step()
            said = memory.bytes(processes.states(), processes.numbers.randrange(400))
            assert said >= processes.used() - 1e-6, seed
            tight += said < processes.used() + 1e-6
    assert tight > 1000


def test_above_what_is_allowed_it_is_exact():
    processes = Processes(random.Random(1))
    memory = SharedMemory(processes.part)
    for _ in range(100):
        processes.step()
        said, used = memory.bytes(processes.states(), 30), processes.used()
        assert said >= used - 1e-6
        if said > 30:
            assert abs(said - used) < 1e-6


def alike(count: int, pages: int) -> Processes:
    processes = Processes(random.Random(2))
    processes.pages = {one: set(range(pages)) for one in range(count)}
    processes.faults = dict.fromkeys(range(count), 0)
    return processes


def test_nobody_is_measured_as_long_as_all_of_it_is_little():
    processes = alike(5, 100)
    memory = SharedMemory(processes.part)
    assert memory.bytes(processes.states(), 500) == 500
    assert processes.measured == 0


def test_who_rests_is_not_measured_again():
    processes = alike(50, 100)
    memory = SharedMemory(processes.part)
    for _ in range(10):
        assert abs(memory.bytes(processes.states(), 1000) - 100) < 1e-6
    assert processes.measured == 50
    # What changes, comes and goes counts in full, and for no longer than it is there.
    for one in range(9):
        processes.faults[one] += 1
    for number in range(100, 120):
        processes.pages[number], processes.faults[number] = set(range(100)), 0
        del processes.pages[number - 1 if number > 100 else 49]
        memory.bytes(processes.states(), 1100)
    assert processes.measured == 50


def test_one_that_grows_is_measured_alone_where_little_is_left():
    processes = alike(50, 100)
    memory = SharedMemory(processes.part)
    processes.pages[7] |= set(range(1000, 1700))
    memory.bytes(processes.states(), 1000)
    assert processes.measured == 50
    for number in range(1, 11):
        processes.pages[7].add(1700 + number)
        processes.faults[7] += 1
        assert memory.bytes(processes.states(), 850) >= 800 + number
    assert processes.measured == 60
