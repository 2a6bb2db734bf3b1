"""What the guides tell people to type is there: commands, targets, modules and settings."""

import contextlib
import html
import re
import shlex
import shutil
import subprocess
import tomllib
from importlib import import_module, util
from pathlib import Path

import pytest
from nbgrader.apps.nbgraderapp import NbGraderApp

from proctor.__main__ import _COMMANDS
from tests.dl1.handing_in.small_assignment import finished, release

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/*.md")])
_SPAN = re.compile(r"`([^`\n]+)`")
_BLOCK = re.compile(r"^    (\S.*)$", re.MULTILINE)
_BEFORE = r"(?:^|[;&|(]\s*|&&\s*|[\w/.-]*/)"


def typed(guide: Path) -> list[str]:
    """All that is set as code, without remarks."""
    text = guide.read_text(encoding="utf-8")
    found = [*_SPAN.findall(text), *_BLOCK.findall(text)]
    return [re.sub(r"\s+#.*", "", one).strip() for one in found]


def words(pattern: str) -> list[tuple[str, list[str]]]:
    """Guide and words of each command that begins so."""
    found = []
    for guide in GUIDES:
        for line in typed(guide):
            match = re.search(rf"{_BEFORE}{pattern}(?P<words>(?: .*)?)$", line)
            if match:
                found.append((guide.name, re.sub(r"[…]|\.\.\.", "", match["words"]).split()))
    return found


def test_commands_of_nbgrader_and_their_settings_exist():
    commands = [(guide, given) for guide, given in words("nbgrader") if given and re.fullmatch("[a-z_]+", given[0])]
    assert len(commands) > 15
    for guide, given in commands:
        app, path = NbGraderApp(), []
        while given and given[0] in app.subcommands:
            path.append(given.pop(0))
            app = app.subcommands[path[-1]][0]()
        assert path, (guide, given)
        assert not app.subcommands, f"{guide}: nbgrader {' '.join(path)} needs another word"
        for option in given:
            if option.startswith("--") and "." not in option.partition("=")[0]:
                name = option.lstrip("-").partition("=")[0]
                assert name in {*app.aliases, *app.flags}, f"{guide}: nbgrader {' '.join(path)} has no --{name}"


def test_settings_exist():
    known = {}
    for module in ("proctor.settings", "nbgrader.apps.baseapp", "nbgrader.plugins", "nbgrader.exchange"):
        known |= vars(import_module(module))
    for module in (ROOT / "proctor" / "plugin").glob("*.py"):
        known |= vars(import_module(f"proctor.plugin.{module.stem}"))
    settings = {
        (guide.name, section, name)
        for guide in GUIDES
        for line in typed(guide)
        for section, name in re.findall(r"(?:\bc\.|--)([A-Z]\w+)\.(\w+)", line)
        if section not in ("JupyterHub", "Spawner", "LocalProcessSpawner")
    }
    assert len(settings) > 10
    for guide, section, name in settings:
        assert section in known, f"{guide}: c.{section}"
        assert name in known[section].class_trait_names(config=True), f"{guide}: c.{section}.{name}"


def test_commands_of_the_engine_and_modules_exist():
    modules = words(r"python -m (?P<module>[\w.]+)")
    for guide in GUIDES:
        for line in typed(guide):
            for module, word in re.findall(r"python -m ([\w.]+)(?: (\w+))?", line):
                spec = util.find_spec(module)
                assert spec is not None, f"{guide.name}: python -m {module}"
                if spec.submodule_search_locations is not None:
                    assert util.find_spec(f"{module}.__main__"), f"{guide.name}: python -m {module}"
                if module == "proctor":
                    assert word in _COMMANDS, f"{guide.name}: python -m proctor {word}"
    assert len(modules) > 5


def students_commands() -> list[tuple[str, list[str]]]:
    """Module and words of each command that students are told to type."""
    page = (ROOT / "deploy" / "bundle" / "START_HERE.html").read_text(encoding="utf-8")
    told = [html.unescape(text) for text in re.findall(r"<(?:code|pre)[^>]*>(.*?)</(?:code|pre)>", page, re.DOTALL)]
    told = [line.replace("$assignment", "assignment2") for line in told] + typed(ROOT / "docs" / "student_guide.md")
    found = [re.search(r"python -m (dl1\.\w+)(.*)$", line) for line in told]
    return [(match[1], shlex.split(match[2])) for match in found if match]


def test_commands_of_students_have_the_options_that_they_are_told(capsys):
    told = students_commands()
    assert {module for module, _ in told} == {
        f"dl1.{name}" for name in ("doctor", "download", "generate", "handin", "train", "update")
    }
    for module, given in told:
        with contextlib.suppress(SystemExit):
            import_module(module).main(["--help"])
        known = capsys.readouterr().out
        for option in (word for word in given if word.startswith("--")):
            assert re.search(rf"{option}\b", known), (module, option)


def test_commands_around_a_hand_in_work_as_they_are_told(tmp_path, monkeypatch, capsys):
    """Those that need no network and no minutes, in a small assignment of that name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dl1.handing_in.exchange.why_not", lambda folder: "there is none")
    monkeypatch.setattr("dl1.handing_in.handin_command.opened_notebooks", list)
    release(tmp_path / "new" / "assignment2")
    shutil.make_archive("NEW", "zip", tmp_path / "new")
    finished(tmp_path / "assignment2")
    told = {(module, *given) for module, given in students_commands() if module in ("dl1.handin", "dl1.update")}
    assert len(told) == 3
    for module, *given in sorted(told):
        assert import_module(module).main(given) == 0, (module, given, capsys.readouterr())
    assert "Receipt: assignment2" in capsys.readouterr().out


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [(guide, given[0]) for guide, given in words("make") if given and re.fullmatch("[a-z-]+", given[0])]
    assert len(named) > 10
    for guide, target in named:
        assert target in targets, f"{guide}: make {target}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_folders_that_commands_write_into_are_there_or_made(guide):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    made = {Path(name).parent.as_posix() for name in tracked}
    for line in _BLOCK.findall(guide.read_text(encoding="utf-8")):
        given = shlex.split(line, comments=True) if line.count("'") % 2 == 0 else []
        if given[:1] == ["mkdir"]:
            made.update(given[1:])
        for option, value in zip(given, given[1:], strict=False):
            if option in ("-o", "--output") and "/" in value and not value.startswith("/"):
                assert Path(value).parent.as_posix() in made, f"{guide.name}: {line}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_links_lead_to_files_and_headings_that_are_there(guide):
    for link in re.findall(r"\]\(([^)\s]+)\)", guide.read_text(encoding="utf-8")):
        if "://" in link or not _is_path(link):
            continue
        path, _, heading = link.partition("#")
        target = (guide.parent / path).resolve() if path else guide
        assert target.exists(), f"{guide.name}: {link}"
        if heading:
            lines = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines], link


def _is_path(link: str) -> bool:
    """Not of a program's text, such as `![](attachment:p.png)`."""
    return bool(re.fullmatch(r"[\w./-]*(#[\w-]+)?", link))


def test_settings_of_the_hub_that_the_administrator_is_told_of_are_there():
    known = tomllib.loads((ROOT / "deploy/jupyterhub/hub.toml").read_text(encoding="utf-8"))
    text = (ROOT / "docs/administrator_guide.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if "`hub.toml`" in line]
    named = re.findall(r"`(\w+)`", row.rpartition("|")[0].rpartition("|")[2])
    assert set(named) == {"memory", "servers"}
    assert set(named) <= known.keys()


def test_students_are_told_where_their_code_is_graded():
    text = (ROOT / "docs" / "student_guide.md").read_text(encoding="utf-8")
    assert "Your code is graded on a CPU" in text
    assert 'never `"cuda"`' in text
