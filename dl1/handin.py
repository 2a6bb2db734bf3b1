"""``python -m dl1.handin``: see :mod:`dl1.handing_in.handin_command`."""

import sys

from dl1.handing_in.handin_command import main

if __name__ == "__main__":
    sys.exit(main())
