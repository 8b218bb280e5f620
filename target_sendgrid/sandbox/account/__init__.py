"""The sandbox's account: what it holds, and how SendGrid's rules change it, without HTTP."""
