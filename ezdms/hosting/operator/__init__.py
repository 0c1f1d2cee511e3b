"""What the operator can do to a server, running or not: people, invitations, its state. Page not found can read."""
