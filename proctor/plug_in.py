"""Puts the engine into nbgrader, from nbgrader_config.py: ``from proctor.plug_in import plug_in; plug_in(c)``."""

from proctor.plugin.registration import plug_in

__all__ = ["plug_in"]
