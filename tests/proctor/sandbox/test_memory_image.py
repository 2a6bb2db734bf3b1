"""Memory in a sealed file: what forks copy of it, that it stays what it was, and when it is left alone."""

import json
import subprocess
import sys

from proctor.sandbox import memory_image

# A process with much memory of its own, in small and in large pieces, of Python and of the C library.
PROGRAM = f"""
import ctypes, gc, hashlib, importlib.util, json, mmap, os, resource, threading
spec = importlib.util.spec_from_file_location("memory_image", {memory_image.__file__!r})
image = importlib.util.module_from_spec(spec)
spec.loader.exec_module(image)
words = [f"word {{i}}" for i in range(200_000)]
large = bytearray(os.urandom(1 << 20)) * 8
allocated = ctypes.create_string_buffer(b"c" * 100_000, 100_000)
def digest():
    return hashlib.sha256(repr(words).encode() + large + allocated.raw).hexdigest()
def own():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous")) << 10
def in_fork(what):
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.write(writing, json.dumps(what()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.wait()
    with open(reading) as file:
        return json.load(file)
"""


def told(program: str):
    done = subprocess.run([sys.executable, "-I", "-c", PROGRAM + program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_forks_have_few_pages_and_everything_is_as_it_was():
    before, after, moved, descriptors, same, small = told("""
gc.collect(); gc.freeze()
first, before, held = digest(), in_fork(own), len(os.listdir("/proc/self/fd"))
moved = image.move_to_file()
descriptors = len(os.listdir("/proc/self/fd")) - held
after = in_fork(own)
again = [digest(), in_fork(digest), digest()]
# It goes on as before: what is kept can be changed, and there is room for more.
words[7:9] = ["other"]; words.extend(str(i) for i in range(100_000)); large[0:3] = b"new"
small = [words[6:9], words[-1], bytes(large[:3]).decode(), in_fork(lambda: words[7])]
print(json.dumps([before, after, moved, descriptors, again == [first] * 3, small]))
""")
    assert before > 25 * 2**20
    assert moved > 0.7 * before
    assert after < before / 4
    assert descriptors == 0
    assert same
    assert small == [["word 6", "other", "word 9"], "99999", "new", "other"]


def test_what_one_fork_writes_no_other_finds_and_nobody_can_write_to_the_file():
    inside, outside, shared, opened, removed = told("""
gc.freeze()
image.move_to_file()
def change():
    words[0] = "changed"; large[:] = b"x" * len(large)
    return [words[0], large[5]]
inside = in_fork(change)
outside = [words[0], in_fork(lambda: words[0]), bytes(large) == b"x" * len(large)]
with open("/proc/self/maps") as file:
    mine = [line.split() for line in file if "memfd:libraries" in line]
shared = [line[1] for line in mine if line[1][3] != "p"]
opened = []
for line in mine:
    try:
        # Root alone could; what it opens is sealed, too.
        with open(f"/proc/self/map_files/{line[0]}", "r+b", buffering=0) as file:
            file.write(b"x")
        opened.append(line)
    except OSError:
        pass
first, last = (int(one, 16) for one in mine[0][0].split("-"))
removed = ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_REMOVE)
print(json.dumps([inside, outside, [len(mine) > 0, shared], opened, removed]))
""")
    assert inside == ["changed", ord("x")]
    assert outside == ["word 0", "word 0", False]
    assert shared == [True, []]
    assert opened == []
    assert removed == -1


def test_where_it_can_not_be_done_nothing_is_touched():
    whys, same = told("""
first, whys = digest(), []
def tried():
    try:
        image.move_to_file()
    except OSError as error:
        whys.append(str(error))
waiting = threading.Event()
thread = threading.Thread(target=waiting.wait)
thread.start()
tried()
waiting.set(); thread.join()
# The kernel may list it for a moment more.
while len(os.listdir("/proc/self/task")) > 1:
    os.sched_yield()
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
tried()
with open("/proc/self/maps") as file:
    moved = "memfd:libraries" in file.read()
print(json.dumps([whys, [digest() == first, moved]]))
""")
    assert whys == ["other threads write to memory meanwhile", "[Errno 27] File too large"]
    assert same == [True, False]
