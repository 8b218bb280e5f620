"""The settings: what there is, what was given, and what can be wrong with it."""
