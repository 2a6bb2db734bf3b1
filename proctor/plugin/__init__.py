"""What nbgrader calls in place of its own steps; nothing else of this package imports nbgrader."""
