"""``python -m dl1.download``: see :mod:`dl1.data.download`."""

import sys

from dl1.data.download import main

if __name__ == "__main__":
    sys.exit(main())
