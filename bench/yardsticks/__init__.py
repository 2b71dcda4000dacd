"""What Billor is measured against."""
