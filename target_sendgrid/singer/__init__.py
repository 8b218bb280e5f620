"""Singer messages in: lines and files become records."""
