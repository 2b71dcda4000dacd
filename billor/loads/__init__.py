"""Loads: cargo to be moved from an origin to a destination."""
