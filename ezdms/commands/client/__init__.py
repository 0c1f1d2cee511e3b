"""Commands of a person with an account."""
