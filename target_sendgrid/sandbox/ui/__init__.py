"""The web page of an account."""
