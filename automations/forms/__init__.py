"""What people fill in: rules and verdicts, and the builder's own inputs."""
