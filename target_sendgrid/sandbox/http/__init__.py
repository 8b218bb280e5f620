"""How requests arrive and answers leave, faults included."""
