"""What SendGrid is asked to do: one module for each kind of write."""
