"""The one file that the teaching staff edits: what the course is called, where hand-ins travel, when they are due.

What to edit stands in capitals at the top. nbgrader reads this file when a command runs in its folder, and JupyterLab
when it was started by `make lab`. For a command in another folder, say where it is:
`export JUPYTER_CONFIG_PATH=/path/to/checkout`.
"""

import os
from datetime import date, datetime  # noqa: F401  what EXTENSIONS may need
from pathlib import Path
from zoneinfo import ZoneInfo

from nbgrader.api import Gradebook

from proctor.plug_in import plug_in

# Students name it in `nbgrader fetch_assignment --course`, and it is the exchange's subfolder. Keep it all term.
COURSE_ID = "dl1"

# When each assignment is due. Every `nbgrader generate_assignment` (also from the formgrader) enters it into the
# gradebook, over a date that was typed into the formgrader. An assignment that is not listed keeps what it has.
DEADLINES = {
    "assignment2": datetime(2026, 11, 30, 23, 59, tzinfo=ZoneInfo("Europe/Amsterdam")),
}

# Later deadlines of single students, by assignment and student: {"assignment2": {"stubob": 3}} for three days more (at
# the same time of the day), or a date(2026, 12, 7), or a datetime(2026, 12, 7, 23, 59, tzinfo=ZoneInfo(...)).
# They count wherever lateness does, and stay through every regrade.
EXTENSIONS = {}

# "none": lateness is shown in the formgrader and costs nothing. "zero": what is late counts 0 points.
# {"per_day": 0.1, "free_days": 2}: each begun day takes a tenth of the points, also of those that a TA gives, and the
# first two days of each submission cost nothing. For another rule, write "none" here and a subclass of
# nbgrader.plugins.BasePlugin, and name it in c.AssignLatePenalties.plugin_class.
LATE_PENALTY = "none"

# What students' pages show of hidden checks, by assignment: {"assignment2": "all"}. "kind", which needs no entry: of a
# failed one its name and kind of failure. "inputs": the hidden checks and all that is known of a failure. "all": model
# answers, too. More than "kind" is shown only after the last deadline, extensions included.
REVEAL = {}

# Seconds that one cell may take while a notebook is graded. The reference's longest cell takes a few seconds on two
# cores; the rest is room for slow answers and a busy machine. An endless loop costs this long.
CELL_TIMEOUT = 120

ROOT = Path(__file__).resolve().parent

# Students' accounts must be able to write here: on a server, name a folder outside the checkout that they can reach.
EXCHANGE = ROOT / os.environ.get("NBGRADER_EXCHANGE", "exchange")


def set_deadline(assignment: str, student: str, notebooks: list[str]) -> None:
    """Enter the deadline of the assignment that was just generated (nbgrader passes all three by keyword)."""
    if assignment in DEADLINES:
        with Gradebook(c.CourseDirectory.db_url, COURSE_ID) as gradebook:
            gradebook.update_or_create_assignment(assignment, duedate=DEADLINES[assignment])


c = get_config()  # noqa: F821  traitlets defines it before it runs this file

c.CourseDirectory.course_id = COURSE_ID
c.CourseDirectory.root = str(ROOT)
# Made at first use. For several graders at a time: "postgresql://user@host/name", with the password in ~/.pgpass
# (and `pip install -c constraints.txt "psycopg[binary]"`).
c.CourseDirectory.db_url = f"sqlite:///{ROOT / 'gradebook.db'}"

c.Exchange.root = str(EXCHANGE)
# What this account hands in itself (a TA who tries the student's side); nbgrader would put it into the home folder.
c.Exchange.cache = str(ROOT / ".nbgrader_cache")

c.GenerateAssignment.post_convert_hook = set_deadline
c.Proctor.late_penalty = LATE_PENALTY
c.Proctor.deadlines = DEADLINES
c.Proctor.extensions = EXTENSIONS
c.Proctor.reveal = REVEAL

# Collecting, grading and feedback go through the sandboxed engine; `c.Proctor` has its settings.
plug_in(c)
c.Proctor.limits = {"cell_cpu_seconds": CELL_TIMEOUT}
# What the notebooks, their checks and the kit import: once for all of them.
c.Proctor.warm = [
    *("IPython.core.interactiveshell", "torch", "torchvision.datasets", "torchvision.transforms.functional"),
    *("torch.utils.tensorboard", "safetensors.torch", "pandas"),
    *("matplotlib.pyplot", "matplotlib_inline.backend_inline", "ipywidgets", "anywidget"),
    *("IPython.core.magics", "IPython.core.completerlib", "IPython.core.logger", "sqlite3"),
    *("dl1.contract.checks", "dl1.notebook.export", "dl1.notebook.methods", "dl1.gpt.session"),
    *("dl1.gpt.widgets.sampling_sliders", "dl1.padding.training"),
]
# Part 1 does without them.
c.Proctor.warm_later = ["torch_geometric.nn", "torch_geometric.io", "sklearn.datasets", "dl1.graphs.widgets.bot_demo"]
# Typical wrong answers: whoever hands in one of them reads its hint on the feedback page.
c.Proctor.misconceptions = "misconceptions"
# Downloaded by `python -m dl1.download`; without it the notebooks use what comes with their packages, and say so.
c.Proctor.data = "data"
c.Proctor.data_variable = "DL1_DATA"
