"""What a run tells about its records."""
