import os
import threading
from pathlib import Path

import pytest

from proctor.errors import ProctorError
from proctor.intake.copier import Caps, copy_tree, look, printable, read_file, replace
from proctor.intake.inert import handed_in_name


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "inbound"
    (folder / "runs").mkdir(parents=True)
    (folder / "a.ipynb").write_text("notebook")
    (folder / "runs" / "run.json").write_text("{}")
    return folder


def files(folder: Path) -> dict[str, str]:
    """Contents by the names that they were handed in with."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found["/".join(map(handed_in_name, path.relative_to(folder).parts))] = path.read_text()
    return found


def test_regular_files_are_copied_readable_and_not_executable(source, tmp_path):
    (source / "a.ipynb").chmod(0o4700)
    assert copy_tree(source, tmp_path / "to" / "x").lines == []
    assert files(tmp_path / "to" / "x") == {"a.ipynb": "notebook", "runs/run.json": "{}"}
    assert (tmp_path / "to" / "x" / "a.ipynb").stat().st_mode & 0o7777 == 0o644


def test_links_fifos_sockets_and_devices_are_left_out_and_named(source, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("solution")
    os.symlink(secret, source / "link.py")
    os.symlink(tmp_path, source / "folder")
    os.symlink("/nowhere", source / "dangling")
    os.mkfifo(source / "fifo")
    lines = copy_tree(source, tmp_path / "to").lines
    assert files(tmp_path / "to") == {"a.ipynb": "notebook", "runs/run.json": "{}"}
    assert sorted(line.split(":")[0] for line in lines) == [
        "left out dangling",
        "left out fifo",
        "left out folder",
        "left out link.py",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of two owners")
def test_a_hard_link_to_somebody_elses_file_is_left_out(source, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("solution")
    os.link(secret, source / "hard.py")
    mine = source / "mine.py"
    mine.write_text("x")
    os.link(mine, tmp_path / "also mine")
    for path in (source, mine):
        os.chown(path, 12345, 12345)
    (line,) = copy_tree(source, tmp_path / "to").lines
    assert "hard link" in line
    assert "hard.py" not in files(tmp_path / "to")
    assert files(tmp_path / "to")["mine.py"] == "x"


def test_caps(source, tmp_path):
    for i in range(5):
        (source / f"f{i}").write_text("x" * 10)
    (source / "1" / "2" / "3").mkdir(parents=True)
    (source / ("n" * 60)).write_text("x")
    lines = copy_tree(source, tmp_path / "a", Caps(files=3)).lines
    assert len(files(tmp_path / "a")) == 3
    assert any("more than 3 files" in line for line in lines)
    lines = copy_tree(source, tmp_path / "b", Caps(total_bytes=25)).lines
    assert sum(map(len, files(tmp_path / "b").values())) <= 25
    assert any("MiB in all" in line for line in lines)
    assert any("2 folders deep" in line for line in copy_tree(source, tmp_path / "c", Caps(depth=2)).lines)
    assert any("too long" in line for line in copy_tree(source, tmp_path / "d", Caps(name_bytes=50)).lines)


def test_a_forgotten_environment_does_not_push_out_the_notebook(source, tmp_path):
    for i in range(5):
        (source / "venv" / f"package{i}").mkdir(parents=True)
        (source / "venv" / f"package{i}" / "module.py").write_text("x")
    lines = copy_tree(source, tmp_path / "to", Caps(files=3)).lines
    assert "a.ipynb" in files(tmp_path / "to")
    assert len([path for path in (tmp_path / "to").rglob("*") if path.is_dir()]) <= 3
    assert any("more than 3 files" in line for line in lines)


def test_the_older_copy_stays_if_the_new_one_can_not_take_its_place(source, tmp_path):
    copy_tree(source, tmp_path / "to")
    with pytest.raises(FileNotFoundError):
        replace(tmp_path / "absent", tmp_path / "to")
    assert files(tmp_path / "to") == {"a.ipynb": "notebook", "runs/run.json": "{}"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inbound", "to"]


def test_odd_names_are_left_out_and_shown_harmlessly(source, tmp_path):
    (source / "a\nb").write_text("x")
    (source / "\x1b[31m").write_text("x")
    os.close(os.open(os.fsencode(source) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY))
    lines = copy_tree(source, tmp_path / "to").lines
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert set(files(tmp_path / "to")) == {"a.ipynb", "runs/run.json"}


def test_a_growing_file_ends_at_the_cap(source, tmp_path):
    stop = threading.Event()

    def grow():
        with open(source / "log", "ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"x" * 100_000)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        copy_tree(source, tmp_path / "to", Caps(total_bytes=2**20))
    finally:
        stop.set()
        thread.join()
    assert sum(p.stat().st_size for p in (tmp_path / "to").rglob("*") if p.is_file()) <= 2**20


def test_an_older_copy_is_replaced_and_nothing_else_is_left(source, tmp_path):
    target = tmp_path / "to"
    copy_tree(source, target)
    (source / "a.ipynb").write_text("new")
    copy_tree(source, target)
    assert files(target)["a.ipynb"] == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inbound", "to"]


def test_a_target_that_is_a_link_is_replaced_not_followed(source, tmp_path):
    (tmp_path / "precious").mkdir()
    os.symlink(tmp_path / "precious", tmp_path / "to")
    copy_tree(source, tmp_path / "to")
    assert list((tmp_path / "precious").iterdir()) == []
    assert not (tmp_path / "to").is_symlink()


def test_what_is_no_folder_is_refused(tmp_path):
    os.symlink(tmp_path, tmp_path / "link")
    for name in ("link", "missing"):
        with pytest.raises(ProctorError, match="is no readable folder"):
            copy_tree(tmp_path / name, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_single_files(tmp_path):
    (tmp_path / "f").write_bytes(b"abcdef")
    os.symlink(tmp_path / "f", tmp_path / "l")
    os.mkfifo(tmp_path / "p")
    assert read_file(tmp_path / "f", 100) == b"abcdef"
    assert read_file(tmp_path / "f", 3) == b"abcd"
    for name in ("l", "p", "missing", "."):
        assert read_file(tmp_path / name, 10) is None


def test_printable():
    assert printable("a\n\x00b") == "a??b"
    assert len(printable("x" * 1000)) == 121


def test_what_counts_least_is_left_out_whatever_its_name(source, tmp_path):
    for path in ("data/cifar-10-batches-py/data_batch_1", "venv/lib/x.so", "zoo.bin", "runs/2b/model.safetensors"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(b"x" * 1_000)
    (source / "gpt.py").write_text("x")
    taken = copy_tree(source, tmp_path / "to", Caps(total_bytes=2_100))
    assert set(files(tmp_path / "to")) == {"a.ipynb", "runs/run.json", "gpt.py", "runs/2b/model.safetensors", "zoo.bin"}
    assert [line.split(":")[0] for line in taken.lines] == [
        "left out data/cifar-10-batches-py/data_batch_1",
        "left out venv/lib/x.so",
    ]
    assert look(source, Caps(total_bytes=2_100)).digests == taken.digests


def test_a_notebook_far_down_comes_before_many_files_beside_it(source, tmp_path):
    (source / "home" / "task").mkdir(parents=True)
    (source / "home" / "task" / "b.ipynb").write_text("deep")
    for number in range(20):
        (source / f"log{number}.txt").write_text("x")
        (source / "data" / f"{number}").mkdir(parents=True)
    copy_tree(source, tmp_path / "to", Caps(files=5))
    assert {"a.ipynb", "home/task/b.ipynb", "runs/run.json"} <= set(files(tmp_path / "to"))
