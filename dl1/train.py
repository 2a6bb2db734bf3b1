"""``python -m dl1.train``: see :mod:`dl1.gpt.train_command`."""

import sys

from dl1.gpt.train_command import main

if __name__ == "__main__":
    sys.exit(main())
