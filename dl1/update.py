"""``python -m dl1.update NEW``: see :mod:`dl1.handing_in.update_command`."""

import sys

from dl1.handing_in.update_command import main

if __name__ == "__main__":
    sys.exit(main())
