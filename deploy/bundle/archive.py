"""What is in a student's archive, and that nothing of the staff's is."""

from __future__ import annotations

import datetime
import html
import re
import string
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from dl1.installation.versions import plain, read_pins
from dl1.merging import given_out
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

OWN = Path(__file__).resolve().parent
_EXTRA = "notebooks"
# Held for the speed of nbgrader, which every student has.
_ALSO = ("jsonschema", "nbconvert", "traitlets")
_LONG_AGO = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_SECRET = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)|#### (Marking scheme|Anchor answers)")


class BundleError(Exception):
    """The archive can't be made; the message says what to do."""


def write(root: Path, assignment: str, target: Path, cpu_index: str | None = None) -> Path:
    """Write the archive.

    Args:
        root: of the course, with `release/`, `source/`, `constraints.txt`, and both wheels in `dist/`.
        target: folder for it.
        cpu_index: address of an index with PyTorch's builds for CPUs.

    Raises:
        BundleError: something is missing, too old, or not for students.
    """
    files = content(root, assignment, cpu_index)
    made = given_out.load(root / "release" / assignment).made or _LONG_AGO
    # Archives have no time zone: what was made today must not lie in anybody's future.
    day = (made - datetime.timedelta(days=1)).timetuple()[:3]
    path = target / f"{assignment}-bundle.zip"
    draft = path.with_name(f".{path.name}")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in sorted(files.items()):
                # The same release makes the same archive.
                entry = zipfile.ZipInfo(f"{assignment}-bundle/{name}", (*day, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
        draft.replace(path)
    except OSError as error:
        raise BundleError(f"{path}: can't be written ({error.strerror}); make room or correct its rights") from None
    finally:
        draft.unlink(missing_ok=True)
    return path


def content(root: Path, assignment: str, cpu_index: str | None = None) -> dict[str, bytes]:
    """The files of the archive, by path.

    Raises:
        BundleError: something is missing, too old, or not for students.
    """
    wheel, lab = (_wheel(root, name) for name in ("dl1", "dl1_student_lab"))
    pins = [f"{name}=={version}" for name, version in students_pins(root).items()]
    requirements = "\n".join([f"./{wheel.name}[{_EXTRA}]", f"./{lab.name}", *pins]) + "\n"
    files = dict(_released(root, assignment))
    files |= {wheel.name: wheel.read_bytes(), lab.name: lab.read_bytes()}
    files["requirements.txt"] = requirements.encode()
    files["constraints.txt"] = ("\n".join(pins) + "\n").encode()
    cpu = "Add <code>--extra-index-url</code> and the address that PyTorch's installation page names for CPUs."
    if cpu_index:
        files["requirements-cpu.txt"] = f"--extra-index-url {cpu_index}\n{requirements}".encode()
        cpu = "Its builds for CPUs: <code>course/bin/pip install -r requirements-cpu.txt</code> as the second line."
    page = string.Template((OWN / "START_HERE.html").read_text(encoding="utf-8"))
    files["START_HERE.html"] = page.substitute(assignment=html.escape(assignment), cpu=cpu).encode()
    files["environment.yml"] = (OWN / "environment.yml").read_bytes()
    files[".devcontainer/devcontainer.json"] = (OWN / "devcontainer.json").read_bytes()
    return files


def students_pins(root: Path) -> Mapping[str, str]:
    """The versions of what students install, as the course is tested with.

    Raises:
        BundleError: one has no pin.
    """
    project = tomllib.loads((root / "dl1" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"][_EXTRA], *_ALSO]
    names = [plain(re.match(r"[\w.-]+", line).group()) for line in wanted]
    pins = read_pins((root / "constraints.txt").read_text(encoding="utf-8"))
    lacking = [name for name in names if name not in pins]
    if lacking:
        raise BundleError(f"constraints.txt has no version of {', '.join(lacking)}; add it")
    return {name: pins[name] for name in sorted(set(names))}


def _wheel(root: Path, name: str) -> Path:
    wheels = sorted((root / "dist").glob(f"{name}-*.whl"))
    if len(wheels) != 1:
        found = ", ".join(path.name for path in wheels) or "nothing"
        raise BundleError(f"{root / 'dist'} has to hold one wheel of {name}, and holds {found}; run: make bundle")
    return wheels[0]


def _released(root: Path, assignment: str) -> Iterator[tuple[str, bytes]]:
    release, source = root / "release" / assignment, root / "source" / assignment
    again = f"run: nbgrader generate_assignment {assignment} --force"
    notebooks = sorted(path.name for path in source.glob("*.ipynb"))
    for name in [*notebooks, given_out.NAME]:
        if not (release / name).is_file():
            raise BundleError(f"{release / name} isn't there; {again}")
    for name in notebooks:
        if (release / name).stat().st_mtime < (source / name).stat().st_mtime:
            raise BundleError(f"{release / name} is older than its source; {again}")
    for path in sorted(release.rglob("*")):
        inside = path.relative_to(release)
        if not path.is_file() or any(part.startswith((".", "__")) for part in inside.parts):
            continue
        if path.suffix == ".ipynb":
            _look_for_secrets(path, again)
        yield f"{assignment}/{inside.as_posix()}", path.read_bytes()


def _look_for_secrets(path: Path, again: str) -> None:
    try:
        texts = [notebook_cells.source(cell) for cell in notebook_cells.read(path)["cells"]]
    except ProctorError as error:
        raise BundleError(str(error)) from None
    found = next((match.group() for match in map(_SECRET.search, texts) if match), None)
    if found:
        raise BundleError(f"{path} has “{found}” in it, which is not for students; {again}")
