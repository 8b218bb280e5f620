"""SendGrid's API: its endpoints, how requests are sent and repeated, and how contacts and lists are represented."""
