"""Who is sent, and what for."""
