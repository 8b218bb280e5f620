"""Records become contacts."""
