"""Puts the engine in the place of nbgrader's own steps."""

from __future__ import annotations

import sys

from traitlets.config import Config


def plug_in(c: Config) -> None:
    """Let nbgrader's commands and the formgrader collect, grade and give feedback through the engine.

    Args:
        c: the configuration that nbgrader is reading.
    """
    import nbgrader.apps.api
    import nbgrader.apps.autogradeapp
    import nbgrader.apps.generateassignmentapp
    import nbgrader.apps.generatefeedbackapp
    import nbgrader.apps.zipcollectapp
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
    from nbgrader.apps.dbapp import DbStudentImportApp
    from nbgrader.preprocessors import (
        CheckCellMetadata,
        ClearOutput,
        DeduplicateIds,
        IgnorePattern,
        OverwriteKernelspec,
    )

    from proctor.plugin import last_words
    from proctor.plugin.autograde import Autograde
    from proctor.plugin.collect import Collect
    from proctor.plugin.execute import Execute
    from proctor.plugin.export import GradesTable
    from proctor.plugin.feedback import FeedbackExporter, SafeFeedback
    from proctor.plugin.generate_assignment import GenerateAssignment
    from proctor.plugin.generate_feedback import GenerateFeedback
    from proctor.plugin.lateness import LatePenalties
    from proctor.plugin.page_grades import PageGrades
    from proctor.plugin.release_feedback import ReleaseFeedback
    from proctor.plugin.roster import import_roster
    from proctor.plugin.save_grades import KeepSource, SaveGrades
    from proctor.plugin.zip_collect import start as zip_collect

    # nbgrader has a setting for every step inside of these, but makes them itself by their names.
    nbgrader.apps.api.Autograde = Autograde
    nbgrader.apps.autogradeapp.Autograde = Autograde
    # The command exists already when it reads its settings.
    nbgrader.apps.zipcollectapp.ZipCollectApp.start = zip_collect
    nbgrader.apps.api.GenerateAssignment = GenerateAssignment
    nbgrader.apps.generateassignmentapp.GenerateAssignment = GenerateAssignment
    nbgrader.apps.api.GenerateFeedback = GenerateFeedback
    nbgrader.apps.generatefeedbackapp.GenerateFeedback = GenerateFeedback
    # This command is being run by the time that its configuration is read.
    DbStudentImportApp.start = import_roster
    last_words.install()
    c.ExchangeFactory.collect = Collect
    c.ExchangeFactory.release_feedback = ReleaseFeedback
    c.ExportApp.plugin_class = GradesTable
    c.Autograde.sanitize_preprocessors = [
        ClearOutput,
        DeduplicateIds,
        OverwriteKernelspec,
        KeepSource,
        CheckCellMetadata,
    ]
    c.Autograde.autograde_preprocessors = [
        Execute,
        IgnorePattern,
        SaveGrades,
        LatePenalties,
        CheckCellMetadata,
    ]
    c.GenerateFeedback.exporter_class = FeedbackExporter
    c.GenerateFeedback.preprocessors = [SafeFeedback, PageGrades, CSSHTMLHeaderPreprocessor]
    if "jupyter_server" in sys.modules:
        from proctor.plugin.at_once import ask_what_was_seen
        from proctor.plugin.buttons import press_beside
        from proctor.plugin.formgrader import serve_pages
        from proctor.plugin.late_scores import count_lateness
        from proctor.plugin.list_names import name_by_id
        from proctor.plugin.list_pages import quote_names
        from proctor.plugin.marked_by import note_markers

        press_beside()
        name_by_id()
        quote_names()
        serve_pages()
        count_lateness()
        note_markers()
        # Around it: what is not written is nobody's mark.
        ask_what_was_seen()
