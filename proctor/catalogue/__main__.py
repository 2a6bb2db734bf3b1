"""The command `python -m proctor.catalogue [SOURCE_FOLDER CATALOGUE_FOLDER]`: runs every catalogued answer.

A wrong variant has to lose its own points and no others, a correct one none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from proctor.catalogue import kill_table
from proctor.catalogue.entries import Entry, load, variants
from proctor.catalogue.forked import usable_cpus
from proctor.catalogue.kill_table import Verdict
from proctor.catalogue.setup import read_setup
from proctor.catalogue.variant_runs import check_notebook
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells


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


def _checked(options: argparse.Namespace) -> int:
    catalogue = Path(options.catalogue)
    entries = load(catalogue / f"{options.notebook}.toml" if options.notebook else catalogue)
    planned = []
    for stem in dict.fromkeys(entry.notebook for entry in _selected(entries, options.only)):
        path = _notebook_of(stem, options.source)
        own = [entry for entry in _selected(entries, options.only) if entry.notebook == stem]
        setup = read_setup(catalogue / f"{stem}.toml")
        planned.append((path, variants(own, notebook_cells.read(path)), setup))
    verdicts: list[Verdict] = []
    sections = []
    for path, changed, setup in planned:
        own, untested = check_notebook(
            path,
            changed,
            setup=setup,
            at_once=options.jobs,
            timeout=options.timeout,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )
        # With a part of the entries only, most checks would be listed.
        untested = None if options.only else untested
        print(f"\n{path.name}\n\n{kill_table.as_text(own, untested)}\n")
        sections.append(kill_table.as_markdown(path.stem, own, untested))
        verdicts += own
    line = kill_table.summary(verdicts)
    if options.markdown:
        kill_table.write_markdown(options.markdown, sections, line)
    print(line)
    return 1 if any(verdict.surprise for verdict in verdicts) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 0 if every variant behaves as declared, 1 for a surprise, 2 for errors."""
    parser = argparse.ArgumentParser(
        prog="python -m proctor.catalogue",
        usage="%(prog)s [SOURCE_FOLDER CATALOGUE_FOLDER] [--notebook STEM] [--only NAME …] [--jobs N] "
        "[--timeout SECONDS] [--markdown FILE]",
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
    options = parser.parse_args(arguments)
    if options.jobs < 1 or options.timeout <= 0:
        parser.error("--jobs and --timeout have to be positive")
    try:
        return _checked(options)
    except ProctorError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
