"""The sandbox: a local SendGrid that keeps contacts and lists and answers over real HTTP.

The sandbox and the target never import each other, so that a misreading of SendGrid on one side is caught by the other.
Tests start a sandbox with `server.SandboxServer`, people with the command `target-sendgrid-sandbox`.
"""
