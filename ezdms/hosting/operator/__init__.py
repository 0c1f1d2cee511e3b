"""The operator's commands on a running or stopped server: users, invitations, status. None can read messages."""
