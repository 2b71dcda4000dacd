"""Helpers of the tests, besides fixtures."""
