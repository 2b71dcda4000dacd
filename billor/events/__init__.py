"""Events of loads: their format, and the buses that carry them."""
