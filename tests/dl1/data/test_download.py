import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import tarfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dl1.data.download import download, main
from dl1.data.folder import KnownData

NAMES = ("batches.meta", "data_batch_1", "test_batch")
FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
FILES = {name: hashlib.shake_128(name.encode()).digest(40_000) for name in NAMES}


def archive_of(members):
    """A .tar.gz, as bytes, with these files; random contents, so that it hardly gets smaller."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


GOOD = archive_of({f"{FOLDER}/{name}": content for name, content in FILES.items()})


class Server(HTTPServer):
    """Serves ``content`` under every path, as its switches say, and notes what it was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = GOOD
        self.files = None  # contents by path, if there is not one for all; every other path is then unknown
        self.status = 200  # what any other makes of each answer: an error
        self.knows_ranges = True
        self.tells_length = True
        self.cut_after = None  # bytes after which a connection is closed
        self.paths, self.ranges = [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.paths.append(self.path)
        server.ranges.append(self.headers.get("Range"))
        start = 0
        content = server.content if server.files is None else server.files.get(self.path)
        if content is None or server.status != 200:
            self.send_error(404 if content is None else server.status)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.knows_ranges:
            start = int(asked[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        if server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def course(tmp_path, monkeypatch, server):
    """A course's folder, made the current one, whose manifest has the server's address."""
    for variable in ("DL1_DATA", "DL1_DATA_MIRROR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "course" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "course")
    write_manifest(GOOD, server.url)
    return tmp_path / "course"


@pytest.fixture
def data(course):
    return course / "data"


def write_manifest(archive, url, size=True, files=FILES):
    lines = [
        "[cifar10]",
        'title = "CIFAR-10"',
        f'urls = ["{url}/official/{ARCHIVE}"]',
        f'archive = "{ARCHIVE}"',
        f"size = {len(archive)}" if size else "",
        f'checksum = "md5:{hashlib.md5(archive).hexdigest()}"',
        f'folder = "{FOLDER}"',
        "[cifar10.files]",
        *(f'"{name}" = "sha256:{hashlib.sha256(content).hexdigest()}"' for name, content in files.items()),
    ]
    Path("data", "manifest.toml").write_text("\n".join(lines))


def is_complete(data):
    """Whether all files are there, as they should be, and nothing else is left of the download."""
    held = {path.name for path in data.iterdir()} - {"manifest.toml"}
    return held == {FOLDER} and all((data / FOLDER / name).read_bytes() == FILES[name] for name in NAMES)


def error_line(capsys):
    """What the command printed as its error: one line, no traceback."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("dl1.download: ")
    return lines[0]


def unpacked(folder, files=FILES):
    (folder / FOLDER).mkdir(parents=True)
    for name, content in files.items():
        (folder / FOLDER / name).write_bytes(content)
    return folder


def test_the_archive_is_downloaded_and_unpacked(data, server, capsys):
    assert main(["cifar10"]) == 0
    assert is_complete(data)
    assert server.paths == [f"/official/{ARCHIVE}"]
    assert server.ranges == [None]
    assert f"CIFAR-10 is in {data / FOLDER}" in capsys.readouterr().out


def test_what_is_there_is_not_downloaded_again(data, server, capsys):
    unpacked(data)
    assert main(["cifar10"]) == 0
    assert server.paths == []
    assert "already there, and intact" in capsys.readouterr().out


def test_a_missing_data_folder_is_made(course, tmp_path, capsys):
    assert main(["cifar10", "--to", str(tmp_path / "other" / "place")]) == 0
    assert is_complete(tmp_path / "other" / "place")
    assert f"set the environment variable DL1_DATA to {tmp_path / 'other' / 'place'}" in capsys.readouterr().out


def test_a_cut_download_is_continued(data, server, capsys):
    server.cut_after = 50_000
    assert main(["cifar10"]) == 1
    line = error_line(capsys)
    assert f"broke off after 50000 of {len(GOOD)} bytes" in line
    assert "Run the command again to go on (0.1 MB are kept)" in line
    assert (data / f"{ARCHIVE}.part").read_bytes() == GOOD[:50_000]
    server.cut_after = None
    assert main(["cifar10"]) == 0
    assert server.ranges == [None, "bytes=50000-"]
    assert is_complete(data)


def test_each_interruption_adds_to_what_is_there(data, server):
    server.cut_after = 50_000
    assert main(["cifar10"]) == 1
    assert main(["cifar10"]) == 1
    assert (data / f"{ARCHIVE}.part").read_bytes() == GOOD[:100_000]


def test_a_server_without_ranges_sends_all_again(data, server):
    server.knows_ranges = False
    (data / f"{ARCHIVE}.part").write_bytes(GOOD[:50_000])
    assert main(["cifar10"]) == 0
    assert server.ranges == ["bytes=50000-"]
    assert is_complete(data)


def test_a_second_cut_by_a_server_without_ranges_loses_nothing(data, server):
    server.knows_ranges, server.cut_after = False, 30_000
    (data / f"{ARCHIVE}.part").write_bytes(GOOD[:50_000])
    assert main(["cifar10"]) == 1
    assert (data / f"{ARCHIVE}.part").read_bytes() == GOOD[:50_000]


def test_a_longer_leftover_is_cut_to_the_archive(data, server):
    server.knows_ranges = False
    (data / f"{ARCHIVE}.part").write_bytes(GOOD + b"more")
    assert main(["cifar10"]) == 0
    assert is_complete(data)


def test_a_leftover_that_is_too_long_is_replaced(data, server):
    (data / f"{ARCHIVE}.part").write_bytes(GOOD + b"more")
    assert main(["cifar10"]) == 0
    assert server.ranges == [f"bytes={len(GOOD) + 4}-", None]
    assert is_complete(data)


def test_a_complete_leftover_is_only_unpacked(data, server):
    (data / f"{ARCHIVE}.part").write_bytes(GOOD)
    assert main(["cifar10"]) == 0
    assert server.paths == []
    assert is_complete(data)


def test_a_foreign_leftover_is_deleted_and_the_next_run_starts_afresh(data, server, capsys):
    (data / f"{ARCHIVE}.part").write_bytes(b"x" * 1000)
    assert main(["cifar10"]) == 1
    assert "is damaged and was deleted" in error_line(capsys)
    assert main(["cifar10"]) == 0
    assert is_complete(data)


def test_a_wrong_checksum_leaves_the_old_files(data, server, capsys):
    unpacked(data, {**FILES, "data_batch_1": b"old and damaged"})
    server.content = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
    assert main(["cifar10"]) == 1
    assert "is damaged and was deleted" in error_line(capsys)
    assert (data / FOLDER / "data_batch_1").read_bytes() == b"old and damaged"
    assert not (data / f"{ARCHIVE}.part").exists()


def test_a_wrong_size_is_refused_before_anything_is_written(data, server, capsys):
    server.content = b"<html>Please log in to the campus network</html>"
    (data / f"{ARCHIVE}.part").write_bytes(GOOD[:20])
    server.knows_ranges = False
    assert main(["cifar10"]) == 1
    assert f"offers 48 bytes, but the file has {len(GOOD)}" in error_line(capsys)
    assert (data / f"{ARCHIVE}.part").read_bytes() == GOOD[:20]


def test_no_size_in_the_manifest_is_needed(data, server):
    write_manifest(GOOD, server.url, size=False)
    server.tells_length = False
    assert main(["cifar10"]) == 0
    assert is_complete(data)


def test_a_cut_is_noticed_by_the_manifests_size_alone(data, server, capsys):
    server.tells_length, server.cut_after = False, 50_000
    assert main(["cifar10"]) == 1
    assert "broke off after 50000" in error_line(capsys)


def test_damaged_files_are_reported_and_replaced(data, server, capsys):
    unpacked(data, {**FILES, "data_batch_1": b"old and damaged"})
    (data / FOLDER / "notes.txt").write_text("mine")
    assert main(["cifar10"]) == 0
    printed = capsys.readouterr().out
    assert f"{data / FOLDER / 'data_batch_1'} is damaged: to be replaced" in printed
    assert "test_batch" not in printed
    assert is_complete(data)
    assert (data / FOLDER / "notes.txt").read_text() == "mine"


def test_a_stopped_command_says_how_to_go_on(course, monkeypatch, capsys):
    def stop(*_, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("urllib.request.urlopen", stop)
    assert main(["cifar10"]) == 1
    assert "stopped: run the command again to go on" in error_line(capsys)


def test_connections_have_a_time_limit(data, server, monkeypatch):
    limits = []
    real = urllib.request.urlopen

    def noting(request, timeout=None):
        limits.append(timeout)
        return real(request, timeout=timeout)

    monkeypatch.setattr("urllib.request.urlopen", noting)
    assert main(["cifar10"]) == 0
    assert limits == [30]


def test_an_error_of_the_server_is_told(course, server, capsys):
    server.status = 503
    assert main(["cifar10"]) == 1
    assert f"{server.url}/official/{ARCHIVE} answers 503 Service Unavailable" in error_line(capsys)


def test_an_unreachable_server_is_told(course, server, capsys):
    with Server() as closed:
        url = closed.url
    write_manifest(GOOD, url)
    assert main(["cifar10"]) == 1
    line = error_line(capsys)
    assert "can't be reached" in line
    assert "or use --mirror or --from" in line


@pytest.mark.parametrize("given_as", ["folder", "archive", "variable"])
def test_a_mirror_comes_first(given_as, data, server, monkeypatch):
    folder = f"{server.url}/mirror"
    arguments = {"folder": ["--mirror", f"{folder}/"], "archive": ["--mirror", f"{folder}/{ARCHIVE}"], "variable": []}
    if given_as == "variable":
        monkeypatch.setenv("DL1_DATA_MIRROR", folder)
    assert main(["cifar10", *arguments[given_as]]) == 0
    assert server.paths == [f"/mirror/{ARCHIVE}"]


def test_a_failing_mirror_is_followed_by_the_known_addresses(data, server):
    with Server() as closed:
        mirror = closed.url
    assert main(["cifar10", "--mirror", mirror]) == 0
    assert server.paths == [f"/official/{ARCHIVE}"]
    assert is_complete(data)


def test_a_mirror_that_is_no_web_address_is_refused(course, server, capsys):
    assert main(["cifar10", "--mirror", "/shared/data"]) == 1
    assert "for a folder, there is --from" in error_line(capsys)
    assert server.paths == []


def test_an_archive_in_the_data_folder_is_used_and_kept(data, server):
    (data / ARCHIVE).write_bytes(GOOD)
    assert main(["cifar10"]) == 0
    assert server.paths == []
    assert (data / ARCHIVE).read_bytes() == GOOD
    assert (data / FOLDER / "test_batch").read_bytes() == FILES["test_batch"]


def test_a_damaged_archive_in_the_data_folder_is_left_alone(data, server, capsys):
    (data / ARCHIVE).write_bytes(b"damaged")
    assert main(["cifar10"]) == 0
    assert f"{data / ARCHIVE} is damaged" in capsys.readouterr().out
    assert (data / ARCHIVE).read_bytes() == b"damaged"
    assert (data / FOLDER / "test_batch").read_bytes() == FILES["test_batch"]


@pytest.mark.parametrize("inside", [False, True])
def test_unpacked_files_are_copied_from_a_folder(inside, data, server, tmp_path):
    source = unpacked(tmp_path / "cluster")
    for name in NAMES:
        (source / FOLDER / name).chmod(0o444)
    assert main(["cifar10", "--from", str(source / FOLDER if inside else source)]) == 0
    assert is_complete(data)
    assert server.paths == []
    assert (data / FOLDER / "test_batch").stat().st_mode & stat.S_IWUSR


def test_an_archive_is_unpacked_from_a_folder(data, server, tmp_path):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / ARCHIVE).write_bytes(GOOD)
    assert main(["cifar10", "--from", str(tmp_path / "cluster")]) == 0
    assert is_complete(data)
    assert server.paths == []
    assert (tmp_path / "cluster" / ARCHIVE).exists()


def test_an_intact_archive_serves_where_the_files_beside_it_are_damaged(data, tmp_path):
    source = unpacked(tmp_path / "cluster", {**FILES, "test_batch": b"damaged"})
    (source / ARCHIVE).write_bytes(GOOD)
    assert main(["cifar10", "--from", str(source)]) == 0
    assert is_complete(data)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ("nothing", f"holds neither {FOLDER} nor {ARCHIVE}"),
        ("damaged file", "test_batch is damaged: copy"),
        ("damaged archive", f"{ARCHIVE} is damaged: copy"),
        ("no folder", "is not a folder"),
    ],
)
def test_a_source_that_wont_do_leaves_the_old_files(held, message, data, tmp_path, capsys):
    unpacked(data, {"test_batch": b"old"})
    source = tmp_path / "cluster"
    if held == "damaged file":
        unpacked(source, {**FILES, "test_batch": b"damaged"})
    elif held != "no folder":
        source.mkdir()
    if held == "damaged archive":
        (source / ARCHIVE).write_bytes(GOOD[:-1])
    assert main(["cifar10", "--from", str(source)]) == 1
    assert message in error_line(capsys)
    assert (data / FOLDER / "test_batch").read_bytes() == b"old"
    assert not (data / f"{FOLDER}.part").exists()


def archive_with(extra):
    return archive_of({**{f"{FOLDER}/{name}": content for name, content in FILES.items()}, extra: b"evil"})


@pytest.mark.parametrize("extra", ["../../evil", f"{FOLDER}/../../evil"])
def test_a_member_that_leaves_the_folder_is_refused(extra, data, server, tmp_path, capsys):
    server.content = archive_with(extra)
    write_manifest(server.content, server.url)
    assert main(["cifar10"]) == 1
    assert "can't be unpacked" in error_line(capsys)
    assert list(tmp_path.rglob("evil")) == []
    assert not (data / FOLDER).exists()


def test_a_member_with_an_absolute_path_lands_nowhere_else(data, server, tmp_path):
    server.content = archive_with(str(tmp_path / "evil"))
    write_manifest(server.content, server.url)
    main(["cifar10"])  # tarfile may refuse it or make the path a relative one
    assert list(tmp_path.rglob("evil")) == []


def test_a_link_out_of_the_folder_is_refused(data, server, tmp_path, capsys):
    (tmp_path / "secret").write_text("secret")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        link = tarfile.TarInfo(f"{FOLDER}/test_batch")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        tar.addfile(link)
    write_manifest(buffer.getvalue(), server.url)
    server.content = buffer.getvalue()
    assert main(["cifar10"]) == 1
    assert "can't be unpacked" in error_line(capsys)
    assert not (data / FOLDER).exists()


def test_an_archive_with_other_files_than_the_manifests_is_not_used(data, server, capsys):
    write_manifest(GOOD, server.url, files={**FILES, "test_batch": b"other"})
    unpacked(data, {"test_batch": b"old"})
    assert main(["cifar10"]) == 1
    assert "not what the manifest says" in error_line(capsys)
    assert (data / FOLDER / "test_batch").read_bytes() == b"old"


def test_what_an_earlier_run_left_half_unpacked_is_no_obstacle(data, server):
    unpacked(data / f"{FOLDER}.part", {"test_batch": b"half"})
    assert main(["cifar10"]) == 0
    assert is_complete(data)


def test_a_data_folder_that_cant_be_made_is_told(course, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["cifar10", "--to", str(tmp_path / "file" / "data")]) == 1
    assert "put that right, then run the command again" in error_line(capsys)


def test_an_unknown_data_set_is_told(course, capsys):
    assert main(["imagenet"]) == 1
    assert "no data set 'imagenet'" in error_line(capsys)


def test_the_module_is_a_command(course, server):
    server.status = 404
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-m", "dl1.download", "cifar10"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "answers 404 Not Found" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_variable_is_told(course, monkeypatch, capsys):
    monkeypatch.setenv("DL1_DATA", "nowhere")
    assert main(["cifar10"]) == 1
    assert "DL1_DATA names nowhere" in error_line(capsys)


POEMS = {"a.txt": b"a rose " * 3000, "b.txt": b"a thorn " * 3000}
PLAY, REVISED_PLAY = (
    b"\n".join([header, b"*** START ***", *[b"To be, or not to be"] * 1000, b"*** END ***", b"Licence"])
    for header in (b"1999", b"2021")
)


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def texts(data, server):
    """The manifest gets two sets without an archive: poems, of two files, and a play, of which editions are known."""
    text = f"""
[poems]
title = "Poems"
urls = ["{server.url}/gone/", "{server.url}/poems/"]
folder = "poems/all"
[poems.files]
"a.txt" = "{sha256(POEMS["a.txt"])}"
"b.txt" = "{sha256(POEMS["b.txt"])}"
[play]
title = "A play"
urls = ["{server.url}/play-1.txt", "{server.url}/play-2.txt"]
folder = "play"
marks = ["*** START", "*** END"]
[play.files]
"play.txt" = "{sha256(b"another edition")} {sha256(PLAY)}"
[play.other_names]
"play.txt" = ["play-1.txt"]
"""
    path = data / "manifest.toml"
    path.write_text(path.read_text() + text)
    server.files = {f"/poems/{name}": content for name, content in POEMS.items()}
    server.files |= {"/play-1.txt": PLAY, "/play-2.txt": PLAY}
    return data


def has_poems(data):
    held = {path.name: path.read_bytes() for path in (data / "poems" / "all").iterdir()}
    return held == POEMS and not (data / "poems.part").exists()


def test_single_files_are_downloaded_from_the_first_address_that_has_them(texts, server, capsys):
    assert main(["poems"]) == 0
    assert has_poems(texts)
    assert server.paths == ["/gone/a.txt", "/poems/a.txt", "/gone/b.txt", "/poems/b.txt"]
    assert f"Poems is in {texts / 'poems' / 'all'}" in capsys.readouterr().out


def test_only_what_is_missing_or_damaged_is_downloaded(texts, server):
    (texts / "poems" / "all").mkdir(parents=True)
    (texts / "poems" / "all" / "a.txt").write_bytes(POEMS["a.txt"])
    (texts / "poems" / "all" / "b.txt").write_bytes(b"damaged")
    assert main(["poems"]) == 0
    assert has_poems(texts)
    assert server.paths == ["/gone/b.txt", "/poems/b.txt"]


def test_a_cut_file_is_continued_and_complete_ones_are_kept(texts, server, capsys):
    server.files["/poems/b.txt"] = None
    assert main(["poems"]) == 1
    assert "/poems/b.txt answers 404" in error_line(capsys)
    # Neither is in place while one is missing.
    assert not (texts / "poems").exists()
    (texts / "poems.part" / "b.txt.part").write_bytes(POEMS["b.txt"][:1000])
    server.files["/poems/b.txt"] = POEMS["b.txt"]
    server.paths.clear()
    server.ranges.clear()
    assert main(["poems"]) == 0
    assert server.paths == ["/gone/b.txt", "/poems/b.txt"]
    assert server.ranges == ["bytes=1000-"] * 2
    assert has_poems(texts)


def test_a_file_with_a_wrong_checksum_leaves_the_old_one(texts, server, capsys):
    (texts / "poems" / "all").mkdir(parents=True)
    (texts / "poems" / "all" / "a.txt").write_bytes(b"old")
    server.files["/poems/a.txt"] = b"<html>Please log in</html>"
    assert main(["poems"]) == 1
    assert "/poems/a.txt sent is damaged and was deleted" in error_line(capsys)
    assert (texts / "poems" / "all" / "a.txt").read_bytes() == b"old"
    assert not (texts / "poems.part").exists()


@pytest.mark.parametrize("prefix", ["poems/all/", ""])
def test_a_mirror_has_the_files_as_a_data_folder_or_loose(prefix, texts, server):
    server.files = {f"/mirror/{prefix}{name}": content for name, content in POEMS.items()}
    assert main(["poems", "--mirror", f"{server.url}/mirror/"]) == 0
    assert has_poems(texts)
    assert server.paths[0] == "/mirror/poems/all/a.txt"


def test_a_mirror_may_be_the_address_of_the_only_file(texts, server):
    server.files = {"/mirror/play.txt": PLAY}
    assert main(["play", "--mirror", f"{server.url}/mirror/play.txt"]) == 0
    assert server.paths == ["/mirror/play.txt"]


def test_any_of_several_checksums_will_do(texts, server, capsys):
    assert main(["play"]) == 0
    assert (texts / "play" / "play.txt").read_bytes() == PLAY
    assert server.paths == ["/play-1.txt"]
    assert "edition" not in capsys.readouterr().out


def test_an_edition_with_another_header_is_used_and_it_is_said(texts, server, capsys):
    server.files["/play-1.txt"] = REVISED_PLAY
    assert main(["play"]) == 0
    assert (texts / "play" / "play.txt").read_bytes() == REVISED_PLAY
    assert f"{texts / 'play' / 'play.txt'} is an edition that the course doesn't know" in capsys.readouterr().out
    assert main(["play"]) == 0
    assert server.paths == ["/play-1.txt"]


def test_half_a_text_is_no_edition(texts, server, capsys):
    server.files["/play-1.txt"] = REVISED_PLAY[:5000]
    server.files["/play-2.txt"] = b"<html>Please log in</html>"
    assert main(["play"]) == 1
    assert error_line(capsys).count("is damaged and was deleted") == 2
    assert not (texts / "play").exists()


def test_two_editions_are_never_joined(texts, server):
    """The marks alone wouldn't tell: the second half comes from an address whose edition has another first half."""
    (texts / "play.part").mkdir()
    (texts / "play.part" / "play.txt.part").write_bytes(PLAY[:5000])
    server.files = {"/play-1.txt": None, "/play-2.txt": REVISED_PLAY}
    assert main(["play"]) == 0
    assert server.ranges == [None, None]
    assert (texts / "play" / "play.txt").read_bytes() == REVISED_PLAY


@pytest.mark.parametrize("inside", ["poems/all", "all", ""])
def test_files_are_copied_from_wherever_they_lie_in_a_folder(inside, texts, server, tmp_path):
    source = tmp_path / "cluster"
    (source / inside).mkdir(parents=True)
    for name, content in POEMS.items():
        (source / inside / name).write_bytes(content)
    assert main(["poems", "--from", str(source)]) == 0
    assert has_poems(texts)
    assert server.paths == []


@pytest.mark.parametrize("content", [PLAY, REVISED_PLAY])
def test_a_file_may_have_another_name_where_it_is_copied_from(content, texts, tmp_path):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "play.txt").write_bytes(b"half")
    (tmp_path / "cluster" / "play-1.txt").write_bytes(content)
    assert main(["play", "--from", str(tmp_path / "cluster")]) == 0
    assert (texts / "play" / "play.txt").read_bytes() == content


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({}, "holds neither poems/all nor a.txt, b.txt: give"),
        ({"a.txt": POEMS["a.txt"]}, "b.txt is missing in .*: copy Poems"),
        ({"a.txt": POEMS["a.txt"], "b.txt": b"damaged"}, "b.txt is damaged: copy Poems"),
    ],
)
def test_a_folder_without_all_files_intact_wont_do(held, message, texts, tmp_path, capsys):
    (tmp_path / "cluster").mkdir()
    for name, content in held.items():
        (tmp_path / "cluster" / name).write_bytes(content)
    assert main(["poems", "--from", str(tmp_path / "cluster")]) == 1
    assert re.search(message, error_line(capsys))
    assert not (texts / "poems").exists()


@pytest.fixture
def three_sets(texts, monkeypatch):
    """The command knows the manifest's sets alone, not those that the package adds."""
    monkeypatch.setattr("dl1.data.download.known_names", lambda: ["cifar10", "poems", "play"])
    return texts


def test_without_a_name_all_sets_are_downloaded_whatever_becomes_of_one(three_sets, server, capsys):
    server.files.pop("/poems/b.txt")
    assert main([]) == 1
    captured = capsys.readouterr()
    failures = captured.err.splitlines()
    assert len(failures) == 2
    assert "cifar-10-python.tar.gz answers 404" in failures[0]
    assert "/poems/b.txt answers 404" in failures[1]
    assert "A play is in" in captured.out
    server.files |= {f"/official/{ARCHIVE}": GOOD, "/poems/b.txt": POEMS["b.txt"]}
    assert main([]) == 0
    assert has_poems(three_sets)
    assert (three_sets / FOLDER / "test_batch").read_bytes() == FILES["test_batch"]


def test_without_a_name_a_folders_sets_are_copied_and_the_others_are_named(three_sets, server, tmp_path, capsys):
    (three_sets / "play").mkdir()
    (three_sets / "play" / "play.txt").write_bytes(PLAY)
    source = unpacked(tmp_path / "cluster")
    assert main(["--from", str(source)]) == 0
    printed = capsys.readouterr().out
    assert f"CIFAR-10 is in {three_sets / FOLDER}" in printed
    assert f"{source} doesn't hold Poems: python -m dl1.download poems downloads it" in printed
    assert "A play" not in printed  # it is there already
    assert server.paths == []


def test_a_folder_with_none_of_the_sets_is_told(three_sets, tmp_path, capsys):
    (tmp_path / "cluster").mkdir()
    assert main(["--from", str(tmp_path / "cluster")]) == 1
    assert "cluster holds none of cifar10, poems, play: give the folder that does" in error_line(capsys)


def test_it_works_without_a_manifest(data, server):
    (data / "manifest.toml").unlink()
    known = KnownData(
        name="cifar10",
        title="CIFAR-10",
        urls=(f"{server.url}/{ARCHIVE}",),
        archive=ARCHIVE,
        size=None,
        checksum=f"md5:{hashlib.md5(GOOD).hexdigest()}",
        folder=FOLDER,
        files={name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in FILES.items()},
    )
    download(known, data)
    assert is_complete(data)
