"""``python -m dl1.generate``: see :mod:`dl1.gpt.generate_command`."""

import sys

from dl1.gpt.generate_command import main

if __name__ == "__main__":
    sys.exit(main())
