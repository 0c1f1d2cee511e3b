"""What people do, over the database and the hub. Knows no web."""
