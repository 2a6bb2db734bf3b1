"""`make demo`: the course from source to feedback, with three example students, in a folder of its own."""
