"""The people of a run: the cap on how many it may send, their lists, and who leaves a mirrored list."""
