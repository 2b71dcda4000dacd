"""What is configured, reachable, migrated and late, with the next step for each finding."""
