"""Singer target that writes customer profiles to SendGrid Marketing Campaigns lists."""
