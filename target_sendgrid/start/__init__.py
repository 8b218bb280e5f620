"""What keeps the start short: only what a run uses is loaded."""
