"""The database engines, and the data folder."""
