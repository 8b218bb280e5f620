"""Delivery of contacts to SendGrid: batches, jobs, and the states that are written once records are settled."""
