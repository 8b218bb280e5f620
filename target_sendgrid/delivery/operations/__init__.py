"""The kinds of writes that SendGrid can be asked for, one module each; `row_errors` is shared by all of them."""
