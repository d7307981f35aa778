"""What rules would do, and why they did or did not: reads stored events, takes no effect."""
