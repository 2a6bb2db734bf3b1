"""Read before any course's own settings, from the environment's etc/jupyter, where `make` puts it."""

import sys

# Other programs of Jupyter read this file as well.
if "nbgrader" in sys.modules:
    from proctor.plugin.strict_config import install

    install()
