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
    import nbgrader.apps.generatefeedbackapp
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
    from nbgrader.preprocessors import (
        AssignLatePenalties,
        CheckCellMetadata,
        GetGrades,
        IgnorePattern,
        SaveAutoGrades,
    )

    from proctor.plugin import last_words
    from proctor.plugin.autograde import Autograde
    from proctor.plugin.collect import Collect
    from proctor.plugin.execute import Execute
    from proctor.plugin.feedback import FeedbackExporter, SafeFeedback
    from proctor.plugin.feedback_alone import FeedbackAlone
    from proctor.plugin.release_feedback import ReleaseFeedback

    # nbgrader has a setting for every step inside of these two, but makes them themselves by these names.
    nbgrader.apps.api.Autograde = Autograde
    nbgrader.apps.autogradeapp.Autograde = Autograde
    nbgrader.apps.api.GenerateFeedback = FeedbackAlone
    nbgrader.apps.generatefeedbackapp.GenerateFeedback = FeedbackAlone
    last_words.install()
    c.ExchangeFactory.collect = Collect
    c.ExchangeFactory.release_feedback = ReleaseFeedback
    c.Autograde.autograde_preprocessors = [
        Execute,
        IgnorePattern,
        SaveAutoGrades,
        AssignLatePenalties,
        CheckCellMetadata,
    ]
    c.GenerateFeedback.exporter_class = FeedbackExporter
    c.GenerateFeedback.preprocessors = [SafeFeedback, GetGrades, CSSHTMLHeaderPreprocessor]
    if "jupyter_server" in sys.modules:
        from proctor.plugin.formgrader import serve_pages

        serve_pages()
