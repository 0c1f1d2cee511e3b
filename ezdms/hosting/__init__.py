"""Running a server: serve, backup, tunnel, and the operator's commands."""
