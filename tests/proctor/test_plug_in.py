import subprocess
import sys
from pathlib import Path

from traitlets.config import Config

from proctor.plug_in import plug_in

ROOT = Path(__file__).resolve().parents[2]


def test_commands_and_formgrader_get_the_engine():
    script = """
import jupyter_server
from traitlets.config import Config
from proctor.plug_in import plug_in
c = Config()
plug_in(c)
import nbgrader.apps.api, nbgrader.apps.autogradeapp
from nbgrader.exchange import ExchangeFactory
from nbgrader.server_extensions.formgrader.handlers import SubmissionFilesHandler
factory = ExchangeFactory(config=c)
headers = {}
class Request:
    def set_header(self, name, value):
        headers[name] = value
SubmissionFilesHandler.set_extra_headers(Request(), "x.html")
print(nbgrader.apps.api.Autograde.__module__, nbgrader.apps.autogradeapp.Autograde.__module__)
print(factory.collect.__module__, factory.release_feedback.__module__, headers["Content-Disposition"])
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [
        *(
            "proctor.plugin.autograde",
            "proctor.plugin.autograde",
            "proctor.plugin.collect",
            "proctor.plugin.release_feedback",
            "attachment",
        )
    ]


def test_feedback_is_made_safe_before_anything_else():
    c = Config()
    plug_in(c)
    assert c.GenerateFeedback.preprocessors[0].__name__ == "SafeFeedback"
    assert c.Autograde.autograde_preprocessors[0].__module__ == "proctor.plugin.execute"
