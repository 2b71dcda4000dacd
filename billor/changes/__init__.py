"""Changes of loads and drivers, pushed as they are committed."""
