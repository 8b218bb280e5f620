"""The sandbox's endpoints, one module for each part of SendGrid's API."""
