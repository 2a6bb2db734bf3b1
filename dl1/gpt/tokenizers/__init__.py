"""From text to the numbers that the language model reads, and back."""
