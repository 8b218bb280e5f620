"""What a run reports about its records: counts, rejected records, and the files of both."""
