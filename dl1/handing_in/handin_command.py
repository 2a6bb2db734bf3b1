"""``python -m dl1.handin``: looks at a folder, says what it sees, hands it in, and prints a receipt."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from dl1.errors import CourseError
from dl1.handing_in import exchange, fresh_run, packing, receipt
from dl1.handing_in.findings import Finding, findings
from dl1.handing_in.folder import Folder, find_folder, look_into
from dl1.handing_in.unsaved import opened_notebooks, unsaved


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if it was handed in, or with --check if nothing was found; 1 otherwise; 2 for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m dl1.handin",
        description="Look at an assignment's folder, hand it in, and print a receipt. What is found is said; it is "
        "handed in all the same.",
    )
    parser.add_argument("folder", nargs="?", help="with the notebooks; this one if left out")
    parser.add_argument("--check", action="store_true", help="only look")
    parser.add_argument("--run", action="store_true", help="also run every notebook in a fresh kernel (minutes)")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--archive", action="store_true", help="make an archive, also where there is an exchange")
    way.add_argument("--exchange", action="store_true", help="make no archive if the exchange can't be reached")
    parser.add_argument("--to", metavar="FOLDER", help="where the archive is put; beside the assignment's folder")
    given = parser.parse_args(arguments)
    try:
        folder = look_into(find_folder(given.folder))
        found = look(folder, given.run)
        if given.check:
            return 1 if found else 0
        hand_in_folder(folder, given.archive, given.exchange, Path(given.to) if given.to else None)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def look(folder: Folder, run: bool = False, ask_servers: bool = True) -> list[Finding]:
    """Say what is found, and give it back."""
    found = [Finding("unsaved", *one) for one in unsaved(folder, opened_notebooks())] if ask_servers else []
    found += findings(folder)
    if run:
        print("running every notebook in a fresh kernel …", flush=True)
        found += [Finding("run", *one) for one in fresh_run.failures(folder)]
    print(f"{folder.path}: {len(folder.files)} files, {len(folder.notebooks)} notebooks of the assignment")
    for one in found:
        print(f"  - {one}")
    print("What you have not saved in JupyterLab is not in these files." if found else "  nothing to say about them.")
    if folder.given:
        now = datetime.datetime.now(datetime.UTC)
        print(f"Deadline: {receipt.deadline(now, folder.given.due)}")
    return found


def hand_in_folder(folder: Folder, archive: bool = False, only_exchange: bool = False, to: Path | None = None) -> str:
    """Hand a folder in, by the exchange where there is one, else as an archive, and say so.

    Args:
        archive: whether it is to be an archive in any case.
        only_exchange: whether it is not to be an archive in any case.
        to: folder for the archive and the receipt; the one in which the assignment's lies, if left out.

    Returns:
        The receipt.

    Raises:
        CourseError: nothing was handed in.
    """
    if not folder.files:
        raise CourseError(f"{folder.path} is empty: there is nothing to hand in")
    notebooks = {path: folder.matched.digests[name] for name, path in folder.matched.paths.items()}
    due = folder.given.due if folder.given else None
    why = "you asked for an archive" if archive else exchange.why_not(folder)
    told = ""
    if not why:
        try:
            digest, told = packing.digest_of_all(folder), exchange.submit(folder)
        except CourseError as error:
            why = str(error)
    moment = datetime.datetime.now(datetime.UTC)
    to = to or folder.path.parent
    stem = f"{folder.name}-{moment.astimezone():%Y%m%d-%H%M%S}"
    if told:
        handed_in = receipt.HandedIn(
            folder.name, f"handed in as: {told}", moment, due, digest, "of all files", notebooks
        )
    elif only_exchange:
        raise CourseError(f"nothing was handed in: {why}")
    else:
        print(f"No exchange: {why}.")
        path = packing.pack(folder, to / f"{stem}.zip")
        how, of = f"packed into {path}", f"of {path.name}"
        handed_in = receipt.HandedIn(folder.name, how, moment, due, packing.digest_of(path), of, notebooks)
    _say_if_changed(folder)
    text = receipt.receipt(handed_in, counts_later=not told)
    print(text)
    kept = to / f"{stem}.receipt.txt"
    if receipt.save(text, kept):
        print(f"Kept as {kept}")
    else:
        print(f"{kept} can't be written: copy the receipt from here")
    return text


def _say_if_changed(folder: Folder) -> None:
    for name, path in folder.matched.paths.items():
        if packing.digest_of(folder.path / path) != folder.matched.digests[name]:
            print(f"  - {path} was saved while it was handed in: hand it in again, so that the receipt fits")
