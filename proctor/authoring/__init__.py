"""For those who write notebooks: a reviewable form, and rules that find mistakes before students do."""
