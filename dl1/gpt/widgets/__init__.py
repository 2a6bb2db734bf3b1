"""What students move in part 2, and the pictures behind it."""
