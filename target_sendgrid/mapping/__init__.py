"""Conversion of a stream's records to contacts, by its field mapping."""
