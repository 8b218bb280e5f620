"""SendGrid's API: its endpoints, and what it calls things."""
