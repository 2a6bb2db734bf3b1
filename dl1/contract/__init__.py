"""How a check reaches a student's code, what may pass between the two, and what a check says."""
