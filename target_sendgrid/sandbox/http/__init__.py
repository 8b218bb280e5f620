"""The sandbox's HTTP: how requests arrive and answers are sent, with rate limits and faults."""
