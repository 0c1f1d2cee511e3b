"""Templates, shells and static files."""
