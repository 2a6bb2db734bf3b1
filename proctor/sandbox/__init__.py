"""Processes that are not trusted: where they run, what they may use, how one talks with them."""
