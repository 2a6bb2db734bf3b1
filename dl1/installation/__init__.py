"""What is wrong with a student's environment, and the line that mends it.

All of it is written for Pythons that are too old and environments in which nothing works: Python's own modules alone.
"""
