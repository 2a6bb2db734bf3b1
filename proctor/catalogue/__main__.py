"""The command `python -m proctor.catalogue [SOURCE_FOLDER CATALOGUE_FOLDER]`: runs every catalogued answer.

A wrong variant has to lose its own points and no others, a correct one none, and every rule that a notebook states has
to be broken by a wrong one. With --mutants it runs wrong answers that are made by rule, and no one's: each has to be
lost too. With --diagnosed each wrong one is a student's answer, and grading has to name it. --seal makes the sealed
hints that students' notebooks carry, and --sealed lets each answer open what it can of them. With --cheats it runs
answers that are right where the public part would notice, and wrong elsewhere. With --rewritten it runs right answers
that are made by rule: none may lose anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from proctor.catalogue import cheat_runs, cheat_table, diagnosed, hint_sealing, kill_table, mutant_table
from proctor.catalogue.entries import Entry, load, variants
from proctor.catalogue.equivalents import read_equivalents, sorted_out
from proctor.catalogue.forked import usable_cpus
from proctor.catalogue.kill_table import Verdict
from proctor.catalogue.mutant_runs import Examined, Target, examine, targets
from proctor.catalogue.mutants import Mutant, Rules, mutations
from proctor.catalogue.rewriting import rewritings
from proctor.catalogue.rules import read_untested, rule_table
from proctor.catalogue.setup import Setup, read_setup
from proctor.catalogue.variant_runs import check_notebook
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.hint_lines import file_of, read_sealed, write_sealed


def _selected(entries: Sequence[Entry], only: Sequence[str]) -> list[Entry]:
    unknown = sorted(set(only) - {entry.name for entry in entries})
    if unknown:
        raise ProctorError(f"--only: there is no entry {', '.join(unknown)}; check the spelling")
    return [entry for entry in entries if not only or entry.name in only]


def _notebook_of(stem: str, folder: str) -> Path:
    found = [path for path in notebook_cells.find_notebooks([folder]) if path.stem == stem]
    if len(found) != 1:
        raise ProctorError(
            f"{folder}: {len(found)} notebooks have the name {stem}.ipynb, and its catalogue needs one; "
            "a catalogue has the name of its notebook"
        )
    return found[0]


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _hints_sealed(options: argparse.Namespace) -> int:
    for path, file, changed, run in _with_hints(options):
        write_sealed(file, hint_sealing.seal(path, changed, read_sealed(file), run))
    return 0


def _hints_opened(options: argparse.Namespace) -> int:
    found = [
        hint_sealing.open_all(path, changed, read_sealed(file), run)
        for path, file, changed, run in _with_hints(options)
    ]
    print(hint_sealing.as_text(found))
    return 0 if hint_sealing.is_fine(found) else 1


def _with_hints(
    options: argparse.Namespace,
) -> Iterator[tuple[Path, Path, list[tuple[Entry, str]], hint_sealing.Run]]:
    """For each notebook the file of its sealed hints, all variants, and how they are run."""
    catalogue = Path(options.catalogue)
    entries = load(catalogue / f"{options.notebook}.toml" if options.notebook else catalogue)
    for stem in dict.fromkeys(entry.notebook for entry in entries):
        path = _notebook_of(stem, options.source)
        changed = variants([entry for entry in entries if entry.notebook == stem], notebook_cells.read(path))
        setup, seconds = read_setup(catalogue / f"{stem}.toml"), options.timeout * len(changed)
        yield path, file_of(catalogue, stem), changed, hint_sealing.Run(setup, options.jobs, seconds, _progress)


def _diagnosed_checked(options: argparse.Namespace) -> int:
    catalogue = Path(options.catalogue)
    entries = load(catalogue / f"{options.notebook}.toml" if options.notebook else catalogue)
    found: list[diagnosed.Diagnosed] = []
    for stem in dict.fromkeys(entry.notebook for entry in entries):
        path = _notebook_of(stem, options.source)
        changed = variants([entry for entry in entries if entry.notebook == stem], notebook_cells.read(path))
        own = diagnosed.diagnose(
            path,
            changed,
            setup=read_setup(catalogue / f"{stem}.toml"),
            key=options.key,
            at_once=options.jobs,
            # For all variants of a cell, which are run one after the other.
            timeout=options.timeout * len(changed),
            progress=_progress,
        )
        print(diagnosed.as_text(own), flush=True)
        found += own
    print(diagnosed.summary(found))
    return int(any(one.result == diagnosed.WRONG for one in found))


def _checked(options: argparse.Namespace) -> int:
    catalogue = Path(options.catalogue)
    entries = load(catalogue / f"{options.notebook}.toml" if options.notebook else catalogue)
    planned = []
    for stem in dict.fromkeys(entry.notebook for entry in _selected(entries, options.only)):
        path = _notebook_of(stem, options.source)
        own = [entry for entry in _selected(entries, options.only) if entry.notebook == stem]
        file, notebook = catalogue / f"{stem}.toml", notebook_cells.read(path)
        rules = rule_table(notebook, own, read_untested(file))
        planned.append((path, variants(own, notebook), read_setup(file), rules))
    verdicts: list[Verdict] = []
    sections, holes = [], []
    for path, changed, setup, rules in planned:
        own, untested = check_notebook(
            path,
            changed,
            setup=setup,
            key=options.key,
            at_once=options.jobs,
            timeout=options.timeout,
            progress=_progress,
        )
        # With a part of the entries only, most checks would be listed.
        untested = None if options.only else untested
        print(f"\n{path.name}\n\n{kill_table.as_text(own, untested)}\n")
        if not options.only:
            print(f"Rules, the checks that fail without them, and answers that break them\n\n{rules.as_text()}\n")
            holes += [f"{path.stem}: {problem}" for problem in rules.problems]
        sections.append(kill_table.as_markdown(path.stem, own, untested))
        verdicts += own
    line = kill_table.summary(verdicts)
    if options.markdown:
        kill_table.write_markdown(options.markdown, sections, line)
    print("\n".join([*holes, line]))
    return 1 if holes or any(verdict.surprise for verdict in verdicts) else 0


def _mutants_checked(options: argparse.Namespace) -> int:
    examined: list[Examined] = []
    equivalent: set[Mutant] = set()
    problems: list[str] = []
    for path, left_out, own in _examined(options, mutations):
        listed = read_equivalents(Path(options.catalogue) / f"{path.stem}.toml")
        fine, stale = sorted_out(
            [entry for entry in listed if entry.cell not in left_out],
            [mutant for one in own for mutant in one.made],
            [mutant for one in own for mutant in one.surviving],
        )
        examined += own
        equivalent |= fine
        problems += stale
    print(mutant_table.as_text(examined, equivalent))
    print(f"\n{mutant_table.summary(examined, equivalent)}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 2 if problems else int(any(set(one.surviving) - equivalent for one in examined))


def _rewritten_checked(options: argparse.Namespace) -> int:
    examined = [one for _, _, own in _examined(options, rewritings) for one in own]
    print(mutant_table.rewritten_as_text(examined))
    print(f"\n{mutant_table.rewritten_summary(examined)}")
    return int(any(one.lost for one in examined))


def _cheats_checked(options: argparse.Namespace) -> int:
    tried: list[cheat_table.Tried] = []
    for path, _, wanted, setup in _wanted(options):
        tried += cheat_runs.try_cheats(
            path,
            wanted,
            key=options.key,
            setup=setup,
            at_once=options.jobs,
            timeout=options.timeout,
            progress=_progress,
        )
    print(cheat_table.as_text(tried))
    return int(any(one.beyond for one in tried))


def _examined(options: argparse.Namespace, rules: Rules) -> Iterator[tuple[Path, set[str], list[Examined]]]:
    """For each notebook the cells that were not asked for, and what became of the answers that the rules make."""
    for path, left_out, wanted, setup in _wanted(options):
        own = examine(
            path,
            wanted,
            rules=rules,
            key=options.key,
            setup=setup,
            at_once=options.jobs,
            timeout=options.timeout,
            progress=_progress,
        )
        yield path, left_out, own


def _wanted(options: argparse.Namespace) -> Iterator[tuple[Path, set[str], list[Target], Setup]]:
    """For each notebook the cells that were not asked for, those that were, and what has to lie beside it."""
    asked = {f"q{name.removeprefix('q').replace('.', '_')}" for name in options.question}
    found = {path: targets(notebook_cells.read(path)) for path in _notebooks(options)}
    known = {target.question for own in found.values() for target in own}
    if asked - known:
        names = ", ".join(map(mutant_table.shown_question, sorted(known)))
        raise ProctorError(f"--question: {', '.join(options.question)} has no autograded answer; there are: {names}")
    for path, all_targets in found.items():
        wanted = [target for target in all_targets if not asked or target.question in asked]
        if wanted:
            file = Path(options.catalogue) / f"{path.stem}.toml"
            # Entries of the questions that are left out are not looked at, those of cells that nobody knows are.
            left_out = {target.cell for target in all_targets} - {target.cell for target in wanted}
            yield path, left_out, wanted, read_setup(file) if file.is_file() else Setup()


def _notebooks(options: argparse.Namespace) -> list[Path]:
    if options.notebook:
        return [_notebook_of(options.notebook, options.source)]
    return notebook_cells.find_notebooks([options.source])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 0 if every variant behaves as declared, 1 for a surprise, 2 for errors."""
    parser = argparse.ArgumentParser(
        prog="python -m proctor.catalogue",
        usage="%(prog)s [SOURCE_FOLDER CATALOGUE_FOLDER] [--notebook STEM] [--only NAME …] [--jobs N] "
        "[--timeout SECONDS] [--key TEXT] [--markdown FILE] "
        "[--diagnosed | --seal | --sealed | --mutants | --cheats | --rewritten [--question N.N …]]",
        description="Run notebooks with every catalogued wrong and correct variant of their reference solutions, and "
        "compare the points that each loses with those that it should lose.",
    )
    parser.add_argument(
        "source", nargs="?", default="source", metavar="SOURCE_FOLDER", help="instructor notebooks (%(default)s)"
    )
    parser.add_argument(
        "catalogue",
        nargs="?",
        default="misconceptions",
        metavar="CATALOGUE_FOLDER",
        help="a <notebook>.toml per notebook (%(default)s)",
    )
    parser.add_argument("--notebook", metavar="STEM", help="check this notebook only")
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="NAME", help="run these entries only")
    parser.add_argument(
        "--jobs", type=int, default=usable_cpus(), metavar="N", help="processes at a time (%(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="limit for each run (%(default)g)"
    )
    parser.add_argument("--markdown", metavar="FILE", help="also write the tables to this Markdown file")
    parser.add_argument(
        "--key",
        type=str.encode,
        metavar="TEXT",
        help="draw the checks' inputs from this, as grading does from the course secret (default: as students do)",
    )
    made = parser.add_mutually_exclusive_group()
    made.add_argument(
        "--mutants",
        action="store_true",
        help="run wrong answers that are made from the references by rule, in place of the catalogued ones",
    )
    made.add_argument("--rewritten", action="store_true", help="run right answers that are made by rule")
    made.add_argument(
        "--diagnosed", action="store_true", help="see how grading names the mistake of each catalogued wrong answer"
    )
    made.add_argument(
        "--seal",
        action="store_true",
        help="make those sealed hints for students' notebooks that are not made yet",
    )
    made.add_argument("--sealed", action="store_true", help="see which answers open which of the sealed hints")
    made.add_argument(
        "--cheats", action="store_true", help="run answers that are right only where the public part would notice"
    )
    parser.add_argument(
        "--question",
        nargs="+",
        action="extend",
        default=[],
        metavar="N.N",
        help="with --mutants, --cheats or --rewritten: of these questions only",
    )
    options = parser.parse_args(arguments)
    if options.jobs < 1 or options.timeout <= 0:
        parser.error("--jobs and --timeout have to be positive")
    by_rule = options.mutants or options.cheats or options.rewritten
    of_all = by_rule or options.diagnosed or options.seal or options.sealed
    if options.question and not by_rule or of_all and (options.only or options.markdown):
        parser.error("--question goes with --mutants, --cheats or --rewritten, --only and --markdown go without")
    try:
        if options.diagnosed:
            return _diagnosed_checked(options)
        if options.seal or options.sealed:
            return _hints_sealed(options) if options.seal else _hints_opened(options)
        if options.rewritten:
            return _rewritten_checked(options)
        if options.cheats:
            return _cheats_checked(options)
        return _mutants_checked(options) if options.mutants else _checked(options)
    except ProctorError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
