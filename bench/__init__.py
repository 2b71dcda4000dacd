"""Benchmarks: Billor beside yardsticks, in one run on one machine. See docs/performance.md."""
