"""What students move in part 1.2."""
