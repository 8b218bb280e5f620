"""Contacts become settled records: batches, import jobs, states."""
