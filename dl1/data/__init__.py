"""The data of all parts: where it lies, how to get it, and what stands in for it until then."""
