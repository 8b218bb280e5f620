"""Input: lines and files of Singer messages, and the records and states in them."""
