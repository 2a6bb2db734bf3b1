"""Puts the engine into nbgrader, from nbgrader_config.py: ``from proctor.plug_in import plug_in; plug_in(c)``."""

from __future__ import annotations

from traitlets.config import Config


def plug_in(c: Config) -> None:
    """Let nbgrader's commands and the formgrader collect, grade and give feedback through the engine.

    Args:
        c: the configuration that nbgrader is reading.
    """
    import nbgrader.apps.api
    import nbgrader.apps.autogradeapp
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
    from nbgrader.preprocessors import (
        AssignLatePenalties,
        CheckCellMetadata,
        GetGrades,
        IgnorePattern,
        SaveAutoGrades,
    )

    from proctor.autograde import Autograde
    from proctor.collect import Collect
    from proctor.execute import Execute
    from proctor.feedback import SafeFeedback
    from proctor.release_feedback import ReleaseFeedback

    # nbgrader has a setting for every step inside of Autograde, but makes Autograde itself by this name.
    nbgrader.apps.api.Autograde = Autograde
    nbgrader.apps.autogradeapp.Autograde = Autograde
    c.ExchangeFactory.collect = Collect
    c.ExchangeFactory.release_feedback = ReleaseFeedback
    c.Autograde.autograde_preprocessors = [
        Execute,
        IgnorePattern,
        SaveAutoGrades,
        AssignLatePenalties,
        CheckCellMetadata,
    ]
    c.GenerateFeedback.preprocessors = [SafeFeedback, GetGrades, CSSHTMLHeaderPreprocessor]
