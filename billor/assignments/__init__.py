"""Assignments: which driver moves which load."""
