"""More accidents of honest students with their files: archives of other kinds, and what is no notebook."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

from exercise import Case, Handed
from unlucky import BEST
from unlucky_files import USES_A_RESULT


def _tar(handed: Handed) -> None:
    handed.answer("q1_double", USES_A_RESULT)
    files = {"homework/exercise.ipynb": json.dumps(handed.notebook), "homework/runs/two.json": "2", "../out.txt": "x"}
    with tarfile.open(handed.folder / "homework.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))


def _zip_by_another_name(handed: Handed) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("exercise.ipynb", json.dumps(handed.notebook))
    with zipfile.ZipFile(handed.folder / "exercise.ipynb", "w") as archive:
        archive.writestr("my homework/exercise.zip", inner.getvalue())


def _star(handed: Handed) -> None:
    (handed.folder / "my_answers.py").write_text("def unit(x):\n    return x / x.norm()\n")
    handed.notebook["cells"].remove(handed.cell("q2_norm"))
    handed.before("q2_test", "from my_answers import *")
    handed.write()


def _page(handed: Handed) -> None:
    (handed.folder / "exercise.html").write_text("<html><body>double(3) = 6</body></html>")


CASES = [
    Case("tar", "in a tar archive, with its results", _tar, BEST, ("homework.tar.gz/homework/exercise.ipynb was taken", "leads out of the archive")),  # noqa: E501
    Case("zip-by-another-name", "a zip archive in a zip archive that is called exercise.ipynb", _zip_by_another_name, BEST, ("exercise.zip/exercise.ipynb was taken",)),  # noqa: E501
    Case("star", "an answer cell deleted, its answer imported from a file by *", _star, BEST, ("q2_norm is missing",)),
    Case("page", "a page made of the notebook", _page, (0, 0, 0), ("was not handed in", "handed in was exercise.html")),
]  # fmt: skip
