"""User actions on the database and the hub, independent of the web framework."""
