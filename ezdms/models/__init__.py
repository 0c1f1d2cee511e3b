"""One file for each table: its queries, each with its SQL, and what they return."""
