"""Running a server: serve, backup, metrics, tunnel, and the operator's commands."""
