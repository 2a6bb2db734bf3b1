"""Who asks the checks, who judges the answers, and what is recorded."""
