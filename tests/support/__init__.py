"""What tests are made of, besides fixtures."""
