"""Tests of the tests: catalogued wrong and right answers, run, and what each of them loses."""
