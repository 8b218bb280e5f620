"""The kinds of writes that SendGrid can be asked for, one module each."""
