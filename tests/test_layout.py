"""The house: who may import whom, what each room is for, and what the two distributions contain."""

import ast
import functools
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import pytest

from proctor.notebooks import cells as notebook_cells

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("dl1", "proctor")
# Texts to train on, a trained model and a style sheet, which come with the students' package, and what switches its
# part in Jupyter's server on.
_SERVER = f"dl1-{metadata.version('dl1')}.data/data/etc/jupyter/jupyter_server_config.d/dl1.json"
_MODEL = {f"dl1/data/course_gpt/{name}" for name in ("model.safetensors", "run.json", "spoken.json")}
_TEXTS = {"dl1/data/second_corpus.txt", "dl1/data/tales.txt", "dl1/notebook/custom/custom.css"}
TEXTS = {"dl1": _TEXTS | _MODEL | {_SERVER}}
NOTEBOOKS = sorted((ROOT / "source").rglob("*.ipynb"))

# From top to bottom. A module may import from its own room and from lower floors; the rooms of one floor don't know
# each other. "page" is the package's own __init__, which offers what lies below.
FLOORS = {
    "dl1": [
        {"page", "train", "generate", "download", "handin", "update", "doctor"},
        {"gpt", "graphs", "padding", "rotation"},
        {"handing_in", "installation"},
        {"data"},
        {"notebook"},
        {"contract", "merging"},
        {"errors", "lazy_names"},
    ],
    "proctor": [
        {"__main__", "plug_in"},
        {"plugin"},
        {"settings"},
        {"jobs"},
        {"grading"},
        {"graded_notebook", "submission"},
        {"diagnosis"},
        {"checking", "intake", "running"},
        {"notebooks", "pages", "sandbox"},
        {"packages", "secret", "staff_files", "stations"},
        {"errors", "page"},
    ],
}
# They stand beside the engine: nothing but these rooms is imported by them, and nobody but their visitors imports them.
TOWERS = {
    "proctor": {"authoring": {"notebooks", "errors"}, "catalogue": {"notebooks", "errors", "checking", "diagnosis"}}
}
# By a room of the engine, the modules of a tower that it may import.
VISITED = {"plugin": {"proctor.catalogue.known", "proctor.catalogue.skeleton"}}
LONGEST = 350


def module_name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(package: str, root: Path = ROOT) -> dict[str, Path]:
    """Files by module, of the package and all its rooms."""
    files = [file for file in sorted((root / package).rglob("*.py")) if "build" not in file.relative_to(root).parts]
    assert files
    return {module_name(file, root): file for file in files}


def rooms(package: str, root: Path = ROOT) -> list[str]:
    """Folders of a package with modules in them, below the package itself: "dl1/gpt/widgets"."""
    folders = {file.parent.relative_to(root).as_posix() for file in modules(package, root).values()}
    return sorted(folders - {package})


def imported(file: Path) -> tuple[tuple[str, str], ...]:
    """Every module that a file imports, with what it takes from it: ("dl1", "probe") for `from dl1 import probe`."""
    return _imported(".".join(file.parent.parts[_depth(file) :]), file.read_text(encoding="utf-8"))


@functools.cache
def _imported(page: str, text: str) -> tuple[tuple[str, str], ...]:
    return tuple(_imports(page, text))


def _imports(page: str, text: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{page}: write the whole name of the module"
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            if node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), ""
        elif isinstance(node, ast.Call) and _called(node) == "lazy_names":
            table = node.args[1]
            assert isinstance(table, ast.Dict), f"{page}: write the table of lazy names out"
            yield from ((f"{page}.{ast.literal_eval(key)}", "") for key in table.keys)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", None) or getattr(node.func, "attr", None) or ""


def _depth(file: Path) -> int:
    """Number of folders above the package that a file lies in."""
    return max(number for number, part in enumerate(file.parts) if part in PACKAGES)


def import_graph(package: str, root: Path = ROOT) -> dict[str, set[str]]:
    """For each module of a package the modules of the same package that it imports, wherever in its text."""
    files = modules(package, root)
    graph: dict[str, set[str]] = {}
    for module, file in files.items():
        taken = {f"{base}.{name}" if f"{base}.{name}" in files else base for base, name in imported(file)}
        graph[module] = {one for one in taken if one in files and one != module}
    return graph


def room_of(module: str) -> str:
    _, _, rest = module.partition(".")
    return rest.split(".")[0] if rest else "page"


def floor_problems(package: str, root: Path = ROOT) -> list[str]:
    """Imports that run up, across a floor, or between the engine and what stands beside it."""
    floor = {room: number for number, rooms in enumerate(FLOORS[package]) for room in rooms}
    towers = TOWERS.get(package, {})
    pages = {module for module, file in modules(package, root).items() if file.name == "__init__.py"}
    problems = []
    for module, targets in import_graph(package, root).items():
        own = room_of(module)
        if own not in floor and own not in towers:
            problems.append(f"{module}: {own} is on no floor")
            continue
        for target in sorted(targets):
            room = room_of(target)
            if room == own:
                # A part's page offers its widgets; what they show knows nothing of them.
                if ".widgets." in target and ".widgets." not in module and module not in pages:
                    problems.append(f"{module} imports {target}: widgets stand above the rest of their part")
                continue
            below = towers[own] if own in towers else {one for one, number in floor.items() if number > floor[own]}
            if room not in below and target not in VISITED.get(own, ()):
                problems.append(f"{module} imports {target}: {room} is not below {own}")
    return problems


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(one: str) -> None:
        index[one] = low[one] = len(index)
        stack.append(one)
        for other in graph[one]:
            if other not in index:
                visit(other)
            if other in stack:
                low[one] = min(low[one], low[other])
        if low[one] == index[one]:
            group = stack[stack.index(one) :]
            del stack[stack.index(one) :]
            if len(group) > 1:
                found.append(sorted(group))

    for one in graph:
        if one not in index:
            visit(one)
    return found


def room_graph(package: str, root: Path = ROOT) -> dict[str, set[str]]:
    """Folders that import from each other; a page stands above its own folder."""
    files = modules(package, root)

    def node(module: str) -> str:
        is_page, lies_in = files[module].name == "__init__.py", module.rpartition(".")[0]
        return module if is_page or lies_in == package else f"{lies_in}.*"

    graph: dict[str, set[str]] = {}
    for module, targets in import_graph(package, root).items():
        graph.setdefault(node(module), set()).update(node(target) for target in targets)
        for target in targets:
            graph.setdefault(node(target), set())
    return {one: others - {one} for one, others in graph.items()}


def cycle_problems(package: str, root: Path = ROOT) -> list[str]:
    groups = [*cycles(import_graph(package, root)), *cycles(room_graph(package, root))]
    return [f"a cycle: {', '.join(group)}" for group in groups]


def sentence_problems(package: str, root: Path = ROOT) -> list[str]:
    """Rooms whose __init__ doesn't open with a sentence that says why they exist."""
    problems = []
    for room in [package, *rooms(package, root)]:
        page = root / room / "__init__.py"
        text = ast.get_docstring(ast.parse(page.read_text(encoding="utf-8"))) if page.exists() else None
        first = re.match(r"[A-Z\d][^.]{20,}?\.(?=\s|$)", " ".join((text or "").split()))
        if first is None and not re.match(r"[A-Z].{20,}\.$", " ".join((text or "").split())):
            problems.append(f"{room}/__init__.py doesn't open with a sentence on what the room is for")
    return problems


def tree_folders(readme: str) -> set[str]:
    """Folders that the annotated tree of the README names, by the indentation of its lines."""
    section = readme.partition("## What is where")[2].partition("\n## ")[0]
    found: set[str] = set()
    above: list[tuple[int, str]] = []
    for line in section.splitlines():
        names = line.strip().split("  ")[0].split()
        if not line.startswith("    ") or not names:
            continue
        indent = len(line) - len(line.lstrip())
        while above and above[-1][0] >= indent:
            above.pop()
        parent = above[-1][1] if above else ""
        folders = [parent + name for name in names if name.endswith("/")]
        found.update(folder.rstrip("/") for folder in folders)
        if folders:
            above.append((indent, folders[-1]))
    return found


def tree_problems(package: str, root: Path = ROOT) -> list[str]:
    named = tree_folders((root / "README.md").read_text(encoding="utf-8"))
    lacking = [f"the README's tree doesn't name {room}" for room in rooms(package, root) if room not in named]
    inside = sorted(one for one in named if one.startswith(f"{package}/"))
    gone = [f"the README's tree names {one}, which isn't there" for one in inside if not (root / one).is_dir()]
    return lacking + gone


def length_problems(package: str, root: Path = ROOT) -> list[str]:
    lengths = {module: len(file.read_text(encoding="utf-8").splitlines()) for module, file in modules(package).items()}
    return [f"{module} has {lines} lines: split it by subject" for module, lines in lengths.items() if lines > LONGEST]


RULES = (floor_problems, cycle_problems, sentence_problems, tree_problems, length_problems)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("package", PACKAGES)
def test_the_house_is_in_order(package, rule):
    assert rule(package) == []


@pytest.fixture
def copy(tmp_path):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("rule", "module", "line", "said"),
    [
        (floor_problems, "dl1/gpt/training.py", "from dl1.padding.nets import PaddingNet", "padding is not below gpt"),
        (floor_problems, "dl1/gpt/training.py", "import dl1.padding.nets", "padding is not below gpt"),
        (floor_problems, "dl1/graphs/training.py", "from dl1.gpt import training", "gpt is not below graphs"),
        (floor_problems, "dl1/rotation/training.py", "from dl1.padding import KernelStepper", "padding is not below"),
        (floor_problems, "dl1/contract/protocol.py", "from dl1.notebook import runs", "notebook is not below contract"),
        (floor_problems, "dl1/notebook/runs.py", "def f():\n    import dl1.data.folder", "data is not below notebook"),
        (floor_problems, "dl1/data/images.py", "from dl1 import probe", "page is not below data"),
        (floor_problems, "dl1/errors.py", "from dl1.contract import checks", "contract is not below errors"),
        (
            floor_problems,
            "dl1/data/images.py",
            "import importlib\nimportlib.import_module('dl1.gpt.runs')",
            "gpt is not",
        ),
        (
            floor_problems,
            "proctor/running/session.py",
            "from proctor.catalogue import entries",
            "catalogue is not below",
        ),
        (
            floor_problems,
            "proctor/intake/rebuild.py",
            "import proctor.catalogue.variant_runs",
            "catalogue is not below",
        ),
        (floor_problems, "proctor/sandbox/limits.py", "from proctor.running import session", "running is not below"),
        (
            floor_problems,
            "proctor/checking/questions.py",
            "from proctor.running import session",
            "running is not below",
        ),
        (floor_problems, "proctor/grading.py", "from proctor.plugin import execute", "plugin is not below grading"),
        (floor_problems, "proctor/authoring/lint.py", "from proctor.grading import grade", "grading is not below"),
        (floor_problems, "proctor/catalogue/setup.py", "from proctor.authoring import lint", "authoring is not below"),
        (floor_problems, "proctor/plugin/seal.py", "from proctor.catalogue import entries", "catalogue is not below"),
        (floor_problems, "proctor/grading.py", "from proctor.catalogue import known", "catalogue is not below"),
        (cycle_problems, "proctor/catalogue/entries.py", "from proctor.catalogue import variant_runs", "variant_runs"),
        (
            cycle_problems,
            "proctor/catalogue/entries.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from proctor.catalogue.variant_runs import check_notebook",
            "variant_runs",
        ),
        (cycle_problems, "dl1/gpt/runs.py", "from dl1.gpt import session", "dl1.gpt.runs, dl1.gpt.session"),
        (floor_problems, "dl1/gpt/curves.py", "from dl1.gpt.widgets import rope_dial", "widgets stand above the rest"),
        (
            cycle_problems,
            "dl1/gpt/tokenizers/byte_pairs.py",
            "from dl1.gpt import runs",
            "dl1.gpt.*, dl1.gpt.tokenizers",
        ),
        (cycle_problems, "dl1/gpt/training.py", "from dl1.gpt import train_gpt", "dl1.gpt, "),
    ],
)
def test_each_kind_of_wrong_import_is_found(copy, rule, module, line, said):
    file = copy / module
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    assert any(said in problem for problem in rule(module.split("/")[0], copy)), rule(module.split("/")[0], copy)


def test_a_room_without_a_sentence_or_a_place_in_the_tree_is_found(copy):
    (copy / "dl1/gpt/__init__.py").write_text('"""Part 2."""\n', encoding="utf-8")
    (copy / "dl1/padding/__init__.py").write_text("", encoding="utf-8")
    (copy / "proctor/sandbox/__init__.py").unlink()
    (copy / "dl1/attic").mkdir()
    (copy / "dl1/attic/old.py").write_text('"""What nobody needs."""\n', encoding="utf-8")
    without = [*sentence_problems("dl1", copy), *sentence_problems("proctor", copy)]
    assert [line.split("/__init__")[0] for line in without] == [
        "dl1/attic",
        "dl1/gpt",
        "dl1/padding",
        "proctor/sandbox",
    ]
    assert tree_problems("dl1", copy) == ["the README's tree doesn't name dl1/attic"]
    assert floor_problems("dl1", copy) == ["dl1.attic.old: attic is on no floor"]
    readme = copy / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace(" widgets/ ", " gadgets/ "), encoding="utf-8")
    assert "the README's tree doesn't name dl1/gpt/widgets" in tree_problems("dl1", copy)
    assert "the README's tree names dl1/gpt/gadgets, which isn't there" in tree_problems("dl1", copy)


def test_tests_lie_in_the_rooms_of_what_they_test():
    for package in PACKAGES:
        tested = {file.relative_to(ROOT / "tests") for file in (ROOT / "tests" / package).rglob("test_*.py")}
        assert len(tested) > 20
        for file in tested:
            subject = ROOT / file.with_name(file.name.removeprefix("test_"))
            assert subject.is_file(), f"tests/{file} tests no module of that name"


def top(module: str) -> str:
    return module.split(".")[0]


def package_imports(package: str) -> dict[Path, list[tuple[str, str]]]:
    return {file: list(imported(file)) for file in modules(package).values()}


def test_students_package_imports_nothing_of_the_staff():
    for file, imports in package_imports("dl1").items():
        # Students have nbgrader too; what changes its window in their server is the one place that knows it.
        own = {"nbgrader"} if file.name == "validate_window.py" else set()
        assert not {top(module) for module, _ in imports} & {"proctor", "demo", "tests", "nbgrader"} - own, file


def test_staff_package_shares_only_the_probe_contract():
    for file, imports in package_imports("proctor").items():
        of_course = {f"{module}.{name}".rstrip(".") for module, name in imports if top(module) == "dl1"}
        allowed = {"dl1.contract.protocol"}
        if file.name in ("student_answers.py", "variant_host.py"):
            # The programs beside a student's code, and beside the catalogue's, are the other end of the contract.
            allowed |= {"dl1.contract.probe.doubles_in_place", "dl1.contract.unfinished.explained"}
            allowed |= {"dl1.contract.own_names.own_names", "dl1.contract.settings.first_settings"}
        if file.name in ("public_runs.py", "hint_sealing.py"):
            # They run check cells as a student's notebook does, and make what it opens.
            allowed |= {"dl1.contract.own_frames.is_of_answer", "dl1.errors.CheckFailed"}
            names = ("COST", "answer_of", "help_for", "of_exception", "opened", "sealed_line", "secrets")
            allowed |= {f"dl1.contract.sealed_hints.{name}" for name in names}
        if room_of(module_name(file, ROOT)) in ("intake", "notebooks", "plugin"):
            # Which cell is which: the same for who grades and for a student's own commands.
            of_course = {one for one in of_course if not one.startswith("dl1.merging.")}
        assert of_course <= allowed, file
        assert not {top(module) for module, _ in imports} & {"demo", "tests"}, file


def test_what_is_shared_with_grading_needs_nothing_but_python():
    for file, imports in package_imports("dl1").items():
        if room_of(module_name(file, ROOT)) == "merging":
            used = {module for module, _ in imports if top(module) not in sys.stdlib_module_names}
            assert {module for module in used if not module.startswith("dl1.merging")} <= {"dl1.errors"}, file


def test_only_the_plugin_imports_nbgrader():
    users = {
        file.parent.name
        for file, imports in package_imports("proctor").items()
        if "nbgrader" in map(top, dict(imports))
    }
    assert users == {"plugin"}


def test_staff_package_knows_no_course():
    stems = {re.escape(notebook.stem) for notebook in NOTEBOOKS}
    words = re.compile("|".join(["rmsnorm", "gpt", "rotary", "assignment2", *stems]), re.IGNORECASE)
    for file in modules("proctor").values():
        assert not words.findall(file.read_text(encoding="utf-8")), file


def test_notebooks_import_from_the_public_pages_only():
    pages = {"dl1": import_module("dl1"), **{f"dl1.{part}": import_module(f"dl1.{part}") for part in FLOORS["dl1"][1]}}
    seen = set()
    for notebook in NOTEBOOKS:
        for cell in notebook_cells.read(notebook)["cells"]:
            if cell["cell_type"] != "code":
                continue
            for node in ast.walk(ast.parse(notebook_cells.source(cell))):
                if isinstance(node, ast.Import):
                    assert not [alias.name for alias in node.names if top(alias.name) == "dl1"], notebook.name
                elif isinstance(node, ast.ImportFrom) and top(node.module) == "dl1":
                    offered = getattr(pages.get(node.module), "__all__", ())
                    assert {alias.name for alias in node.names} <= set(offered), f"{notebook.name}: {node.module}"
                    seen.add(node.module)
    assert seen == set(pages)


def test_the_public_page_offers_what_the_parts_do_and_every_name_is_there():
    page = import_module("dl1")
    for part in FLOORS["dl1"][1]:
        names = import_module(f"dl1.{part}").__all__
        assert set(names) <= set(page.__all__)
        for name in names:
            assert getattr(page, name) is getattr(import_module(f"dl1.{part}"), name)
    for name in page.__all__:
        assert getattr(page, name) is not None
    with pytest.raises(ImportError, match="no_such_name"):
        exec("from dl1 import no_such_name")


def test_no_name_of_a_page_is_that_of_a_module_beside_it():
    for package in ("dl1", *(f"dl1.{part}" for part in FLOORS["dl1"][1])):
        beside = {name.removeprefix(f"{package}.") for name in modules("dl1") if name.startswith(f"{package}.")}
        # A module that is offered as a whole is the only one.
        assert set(import_module(package).__all__) & beside <= {"handed_in_model"}, package


def test_guides_name_files_that_are_there():
    # Of a student, or of an attack.
    of_others = {"gpt.py", "graph_cnn.py", "torch.py", "sitecustomize.py", "exercise.py"}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    guides = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/*.md")]
    assert len(guides) > 10
    for guide in guides:
        for name in re.findall(r"[`(]([\w./-]+\.(?:py|toml|ipynb))[`)]", guide.read_text(encoding="utf-8")):
            path = name.removeprefix("../")
            there = any(file == path or file.endswith(f"/{path}") for file in tracked)
            assert there or path in of_others or path.startswith("/"), f"{guide.name} names {name}"


def test_misconceptions_hold_no_program():
    files = [file for file in (ROOT / "misconceptions").rglob("*") if file.is_file()]
    assert files
    assert {file.suffix for file in files} <= {".toml", ".md"}


def test_each_package_declares_what_it_imports():
    # Distribution by import name, where the two differ.
    called = {
        "IPython": "ipython",
        "cosmic_ray": "cosmic-ray",
        "PIL": "pillow",
        "sklearn": "scikit-learn",
        "torch_geometric": "torch-geometric",
    }
    for package, project in (("dl1", ROOT / "dl1"), ("proctor", ROOT)):
        content = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        declared = {re.match(r"[\w.-]+", requirement).group() for requirement in content["dependencies"]}
        extras = content.get("optional-dependencies", {})
        named = {extra: {re.match(r"[\w.-]+", line).group() for line in lines} for extra, lines in extras.items()}
        # What only the commands for work on the notebooks need comes with the extra of that name.
        for_work = named.pop("dev", set())
        optional = {name for names in named.values() for name in names}
        for file, imports in package_imports(package).items():
            used = {top(module) for module, _ in imports} - set(sys.stdlib_module_names) - {"dl1", "proctor"}
            allowed = declared | for_work if file.parent.name in TOWERS.get(package, ()) else declared
            lacking = {called.get(name, name) for name in used} - allowed
            # Whoever has not installed an extra never notices.
            assert lacking <= optional, file
            assert not lacking & {top(module) for module in imported_at_once(file)}, file


def imported_at_once(file: Path) -> set[str]:
    """Modules that a file imports when it is imported itself."""
    waiting, found = list(ast.parse(file.read_text(encoding="utf-8")).body), set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    return found


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
    for room in ("dl1", "dl1/gpt", "dl1/data"):
        (copy / room / "notes.txt").write_text("not a module")
    built = {}
    for package, project in (("dl1", copy / "dl1"), ("proctor", copy)):
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
            + ["--quiet", "--wheel-dir", copy / "wheels", project],
            check=True,
        )
        (wheel,) = (copy / "wheels").glob(f"{package}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            built[package] = {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}
    return built


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_holds_the_modules_of_its_package_and_its_texts(wheels, package):
    names = {name for name in wheels[package] if ".dist-info/" not in name}
    assert names == {file.relative_to(ROOT).as_posix() for file in modules(package).values()} | TEXTS.get(
        package, set()
    )


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
    # Short lines ("return x") say nothing and stand in any program, and so do those that only name an exception.
    return {line for line in secret - public if len(line) >= 25 and not line.startswith("except ")}


@pytest.mark.slow
def test_students_wheel_has_no_solution_and_no_hidden_test(wheels):
    secrets = secret_lines()
    assert len(secrets) > 100
    # Students open them in their notebooks, where they are sealed.
    catalogues = (ROOT / "misconceptions").glob("*.toml")
    entries = [one for file in catalogues for one in tomllib.loads(file.read_text(encoding="utf-8"))["wrong"]]
    hints = {one["hint"] for one in entries}
    assert len(hints) > 100
    for name, text in wheels["dl1"].items():
        assert not secrets & {line.strip() for line in text.splitlines()}, name
        assert not [hint for hint in hints if hint in text], name
        assert "BEGIN SOLUTION" not in text, name
        assert "BEGIN HIDDEN TESTS" not in text, name
