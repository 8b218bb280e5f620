"""The embedded SendGrid sandbox: a local, stateful stand-in for the Marketing Campaigns API on real HTTP.

It stands apart: it never imports the target and the target never imports it, so that a misreading of SendGrid on one
side is caught by the other. `server.SandboxServer` is the way in for tests, `target-sendgrid-sandbox` for people.
"""
