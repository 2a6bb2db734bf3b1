"""Who may import whom, and what the two distributions contain."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from proctor.notebooks import cells as notebook_cells

ROOT = Path(__file__).resolve().parent.parent
# Texts to train on, which come with the students' package.
TEXTS = {"dl1": {"second_corpus.txt", "tales.txt"}}
NOTEBOOKS = sorted((ROOT / "source").rglob("*.ipynb"))


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Every module that a file imports, with what it takes from it: ("dl1", "probe") for `from dl1 import probe`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write the whole name of the module"
            yield from ((node.module, alias.name) for alias in node.names)


def package_imports(package: str) -> dict[Path, list[tuple[str, str]]]:
    files = sorted((ROOT / package).glob("*.py"))
    assert files
    return {file: list(imported(file)) for file in files}


def top(module: str) -> str:
    return module.split(".")[0]


def test_students_package_imports_nothing_of_the_staff():
    for file, imports in package_imports("dl1").items():
        assert not {top(module) for module, _ in imports} & {"proctor", "demo", "tests", "nbgrader"}, file


def test_staff_package_shares_only_the_probe_contract():
    for file, imports in package_imports("proctor").items():
        of_course = {
            f"{module}.{name}" if module == "dl1" else module for module, name in imports if top(module) == "dl1"
        }
        # The program in the student's sandbox is the other end of the contract, beside the student's own code.
        allowed = {"dl1.contract.probe", "dl1.contract.unfinished"} if file.name == "student_host.py" else set()
        assert of_course <= {"dl1.contract.protocol"} | allowed, file
        assert not {top(module) for module, _ in imports} & {"demo", "tests"}, file


def test_staff_package_knows_no_course():
    stems = {re.escape(notebook.stem) for notebook in NOTEBOOKS}
    words = re.compile("|".join(["rmsnorm", "gpt", "rotary", "assignment2", *stems]), re.IGNORECASE)
    for file in (ROOT / "proctor").glob("*.py"):
        assert not words.findall(file.read_text(encoding="utf-8")), file


def test_misconceptions_hold_no_program():
    files = [file for file in (ROOT / "misconceptions").rglob("*") if file.is_file()]
    assert files
    assert {file.suffix for file in files} <= {".toml", ".md"}


def test_each_package_declares_what_it_imports():
    # Distribution by import name, where the two differ.
    called = {
        "IPython": "ipython",
        "PIL": "pillow",
        "sklearn": "scikit-learn",
        "torch_geometric": "torch-geometric",
    }
    for package, project in (("dl1", ROOT / "dl1"), ("proctor", ROOT)):
        content = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        declared = {re.match(r"[\w.-]+", requirement).group() for requirement in content["dependencies"]}
        used = {top(module) for imports in package_imports(package).values() for module, _ in imports}
        foreign = {called.get(name, name) for name in used - set(sys.stdlib_module_names) - {"dl1", "proctor"}}
        assert foreign <= declared, package


def test_constraints_pin_what_is_installed_directly():
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    for project in (ROOT, ROOT / "dl1"):
        content = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = content.get("optional-dependencies", {}).values()
        for requirement in [*content["dependencies"], *(line for extra in extras for line in extra)]:
            name = re.match(r"[\w.-]+", requirement).group()
            assert name in pins, f"{name} of {project.name}/pyproject.toml has no pin"
            # A build for some kind of machine has a suffix, "2.1.0+cpu".
            assert metadata.version(name).split("+")[0] == pins[name]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Names and texts of the files in each wheel, built from a copy because setuptools builds inside its folder."""
    copy = tmp_path_factory.mktemp("checkout")
    for entry in ("dl1", "proctor", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / entry).is_dir():
            shutil.copytree(ROOT / entry, copy / entry, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / entry, copy / entry)
    # What the copy would leave out is put beside the modules, so that it is seen if a build picks it up.
    (copy / "dl1" / "notes.txt").write_text("not a module")
    built = {}
    for package, project in (("dl1", copy / "dl1"), ("proctor", copy)):
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
            + ["--quiet", "--wheel-dir", copy / "wheels", project],
            check=True,
        )
        (wheel,) = (copy / "wheels").glob(f"{package}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            built[package] = {name: archive.read(name).decode() for name in archive.namelist()}
    return built


@pytest.mark.slow
@pytest.mark.parametrize("package", ["dl1", "proctor"])
def test_wheel_holds_the_modules_of_its_package_and_its_texts(wheels, package):
    names = [name for name in wheels[package] if ".dist-info/" not in name]
    files = {file.name for file in (ROOT / package).glob("*.py")} | TEXTS.get(package, set())
    assert sorted(names) == sorted(f"{package}/{name}" for name in files)


def secret_lines() -> set[str]:
    """Lines of solutions and hidden tests that stand nowhere in what students see of the same notebook."""
    secret, public = set(), set()
    for notebook in NOTEBOOKS:
        for cell in notebook_cells.read(notebook)["cells"]:
            lines = notebook_cells.source(cell).splitlines()
            hidden = {
                number
                for name in notebook_cells.REGION_NAMES
                for region in notebook_cells.regions("\n".join(lines), name)
                for number in range(region.begin, region.end + 1)
            }
            for number, line in enumerate(lines, start=1):
                (secret if number in hidden else public).add(line.strip())
    # Short lines ("return x") say nothing and stand in any program.
    return {line for line in secret - public if len(line) >= 25}


@pytest.mark.slow
def test_students_wheel_has_no_solution_and_no_hidden_test(wheels):
    secrets = secret_lines()
    assert len(secrets) > 100
    for name, text in wheels["dl1"].items():
        assert not secrets & {line.strip() for line in text.splitlines()}, name
        assert "BEGIN SOLUTION" not in text, name
        assert "BEGIN HIDDEN TESTS" not in text, name
