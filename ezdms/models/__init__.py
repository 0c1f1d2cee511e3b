"""One file per table: its SQL queries and the types they return."""
