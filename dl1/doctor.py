"""``python -m dl1.doctor``: see :mod:`dl1.installation.doctor_command`."""

import os
import sys

# A random.py beside the notebooks is found, and not taken for Python's.
sys.path[:] = [place for place in sys.path if place not in ("", os.getcwd())]

from dl1.installation.doctor_command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
