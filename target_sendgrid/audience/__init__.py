"""The people of a run: the cap on how many it may send, and compact sets of those who are in flight."""
