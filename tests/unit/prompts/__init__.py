"""What the prompt templates promise."""
