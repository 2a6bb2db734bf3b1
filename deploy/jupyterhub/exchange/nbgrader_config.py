"""The exchange as a student's account uses it on a hub; the hub says where it lies, and which course it is."""

import os

from nbgrader.exchange.default import ExchangeSubmit


class ClosedSubmit(ExchangeSubmit):
    """Hands in as nbgrader does, and then closes the folder to all but its student and the course's account.

    nbgrader hides it by a name that can't be guessed, and leaves it open to whoever learns that name.
    """

    def copy_files(self) -> None:
        """Copy the assignment, and close the copy."""
        super().copy_files()
        made = os.path.join(self.inbound_path, self.assignment_filename)
        # The folder has the group of the course's account, if the inbound folder passes it on (mode 3733).
        if os.stat(made).st_gid == os.stat(self.inbound_path).st_gid:
            os.chmod(made, 0o770)


c = get_config()  # noqa: F821  traitlets defines it before it runs this file

c.CourseDirectory.course_id = os.environ["DL1_COURSE"]
c.Exchange.root = os.environ["DL1_EXCHANGE"]
c.ExchangeFactory.submit = ClosedSubmit
# Seconds for what a cell has printed. With four, as nbgrader has it, Validate ends with a traceback on a busy machine.
c.Execute.iopub_timeout = 60
