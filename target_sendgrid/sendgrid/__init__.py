"""SendGrid's API: its endpoints, how requests travel, and what contacts look like in them."""
