"""What operators look at: metrics, health, logs and traces."""
