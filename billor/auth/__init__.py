"""Login, sessions, and the guard of all other endpoints."""
