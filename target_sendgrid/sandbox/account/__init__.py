"""What an account holds and how it behaves, without HTTP."""
