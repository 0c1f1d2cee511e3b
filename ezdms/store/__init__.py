"""How the database is kept."""
