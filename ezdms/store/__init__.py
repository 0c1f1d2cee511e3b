"""The database file: its folder, its schema, its integrity."""
