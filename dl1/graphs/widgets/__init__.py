"""What students step through and move in part 3, and the pictures behind it."""
