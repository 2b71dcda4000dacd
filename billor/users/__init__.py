"""Users: the people who may log in."""
