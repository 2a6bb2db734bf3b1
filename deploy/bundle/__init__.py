"""One archive with all that a student needs: `make bundle`."""
