"""`python -m proctor similar ASSIGNMENT`: which pairs of answers are unusually alike, and files for JPlag and Dolos.

Nothing leaves this machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin.answer_texts import Answers, Cell, answers
from proctor.plugin.likeness import LEAST, Pair, Ranking, ranking
from proctor.plugin.reports_folder import FOLDER, folder_of
from proctor.plugin.table_file import write_table
from proctor.staff_files import share, staff_only

NO_PROOF = (
    "A high rank is no proof of anything: it says where to read. People who learned from the same pages, worked side "
    "by side as they may, or used the same assistant write alike; read both answers, and ask, before you conclude."
)
_SHOWN = 20
_READ_ME = """\
Answers of all students, as they were graded: answer cells only. For staff; nothing here has to leave your machine.

{no_proof}

ranking.csv      pairs, the most alike first, and in which answers
code/            a folder for each student, with a file for each notebook
texts/           the same of written answers
base-code/       what students were given in these cells, and base-texts/

JPlag (local; one folder for each student):
    java -jar jplag.jar -l python3 -bc base-code code
    java -jar jplag.jar -l text -bc base-texts texts

Dolos (the command line is local, its web site is not; one notebook at a time):
{dolos}
"""


class SimilarApp(NbGrader):
    """The command, which finds the course as nbgrader's own commands do."""

    name = "proctor-similar"
    description = "Rank pairs of students by how alike their answers are, and write files for JPlag and Dolos"
    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id"}
    flags = nbgrader_flags
    examples = f"""
        In the course's folder, after autograding; what it writes is in {FOLDER}/ps1/similar:

            python -m proctor similar ps1
        """

    def start(self) -> None:
        """Write all, and print the pairs that are most alike."""
        super().start()
        if len(self.extra_args) != 1:
            self.fail("name one assignment: python -m proctor similar ASSIGNMENT")
        assignment, shared = self.extra_args[0], self.coursedir.groupshared
        try:
            place = folder_of(Path(self.coursedir.root).resolve(), assignment, shared) / "similar"
            found = answers(self.coursedir, assignment)
            ranked = ranking(found)
            write(place, found, ranked, shared)
        except ProctorError as error:
            self.fail(str(error))
        for line in found.problems:
            self.log.warning("%s", printable(line, 300))
        for line in lines(ranked, place):
            print(line, flush=True)


def lines(ranked: Ranking, place: Path) -> list[str]:
    """The top of the ranking, and what it is worth."""
    found = [f"{ranked.compared} students compared; the most alike first:"]
    for pair in ranked.pairs[:_SHOWN]:
        who = f"{printable(pair.one)}, {printable(pair.other)}"
        found.append(f"  {pair.likeness:.2f}  {who}: {pair.shared} runs of words that few others have; {_where(pair)}")
    if not ranked.pairs:
        found.append("  no pair has anything in common that the others have not")
    if ranked.left_out:
        some = ", ".join(map(printable, ranked.left_out[:10])) + (" …" if len(ranked.left_out) > 10 else "")
        found.append(f"not compared, with fewer than {LEAST} runs of their own: {len(ranked.left_out)} ({some})")
    return [*found, NO_PROOF, f"{place}: the whole ranking, and files for JPlag and Dolos (README.txt)"]


def write(place: Path, found: Answers, ranked: Ranking, shared: bool) -> None:
    """Write answers and ranking in place of earlier ones, all or nothing, for staff.

    Raises:
        ProctorError: it can't be written.
    """
    try:
        with staff_only(shared):
            draft = Path(tempfile.mkdtemp(prefix=".similar-", dir=place.parent))
            try:
                _write_answers(draft, found)
                table = [
                    (f"{one.likeness:.4f}", one.one, one.other, one.shared, _where(one, 100)) for one in ranked.pairs
                ]
                write_table(draft / "ranking.csv", ("likeness", "student", "other", "runs", "where"), table, shared)
                if shared:
                    share(draft)
                if place.exists():
                    shutil.rmtree(place)
                os.replace(draft, place)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ProctorError(f"{place}: can't be written ({error.strerror}); make room or correct its owner") from error


def _write_answers(folder: Path, found: Answers) -> None:
    for kind, cells in (("code", found.code), ("texts", found.given.keys() - found.code)):
        _write_one(folder / f"base-{kind}", found.given, cells, found.given, kind)
        for student, own in found.of.items():
            _write_one(folder / kind / student, own, cells, found.given, kind)
    notebooks = sorted({notebook for notebook, _ in found.code})
    dolos = "\n".join(f"    dolos run -l python -i 'base-code/{one}.py' code/*/'{one}.py'" for one in notebooks)
    (folder / "README.txt").write_text(_READ_ME.format(no_proof=NO_PROOF, dolos=dolos), encoding="utf-8")


def _write_one(
    folder: Path, texts: Mapping[Cell, str], cells: Iterable[Cell], order: Mapping[Cell, str], kind: str
) -> None:
    """A file for each notebook in which there is something."""
    folder.mkdir(parents=True)
    wanted = set(cells)
    made: dict[str, list[str]] = {}
    for cell in order:
        if cell in wanted and cell in texts:
            text = texts[cell] if kind == "texts" else _plain_python(texts[cell])
            made.setdefault(cell[0], []).append(f"# {cell[1]}\n{text}\n")
    for notebook, parts in made.items():
        file = folder / f"{notebook}.{'py' if kind == 'code' else 'txt'}"
        file.write_text("\n".join(parts), encoding="utf-8", errors="replace")


def _plain_python(text: str) -> str:
    """Without the lines that only IPython knows, at which other programs give a file up."""
    return "\n".join(f"# {line}" if line.lstrip().startswith(("%", "!")) else line for line in text.splitlines())


def _where(pair: Pair, most: int = 3) -> str:
    """In which answers two students are alike, with their parts in it."""
    parts = [f"{notebook} {cell} ({100 * part:.0f} %)" for (notebook, cell), part in pair.cells[:most]]
    more = f" and {len(pair.cells) - most} more" if len(pair.cells) > most else ""
    return ", ".join(parts) + more
