"""The sandbox's web page, which shows an account."""
