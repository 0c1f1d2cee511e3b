"""Commands that check a server or a release."""
