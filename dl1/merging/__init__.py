"""A student's file and the assignment put together: which cell is which, and where each has its place.

Grading and `python -m dl1.update` do it by the same modules. They know what was given out and no solution, and need
nothing but Python.
"""
