"""What Billor is measured against: the least that a server does, and a fast framework."""
