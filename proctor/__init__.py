"""The teaching staff's tools for nbgrader notebooks: checks of the sources, normalising, grading.

Knows nothing of any particular course. What it shares with a course's own package is the probe protocol only.
"""

__version__ = "0.1.0"
