"""What grading one student's submission needs and brings, as plain data, and the processes that do it side by side."""
