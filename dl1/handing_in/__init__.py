"""A student's folder on its way: what is looked at before it is handed in, and how it takes a new release.

Nothing here decides for the student: whatever is found is said, and handed in all the same.
"""
