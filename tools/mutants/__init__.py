"""Mutation tests: small errors are put into the code that carries the promises, and the tests have to notice them."""
