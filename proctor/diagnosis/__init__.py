"""Naming the mistake behind a failed check: which catalogued wrong answer answers exactly as the student's does."""
