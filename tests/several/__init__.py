"""Several processes on one PostgreSQL and one bus."""
