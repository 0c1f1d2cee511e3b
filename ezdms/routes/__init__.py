"""HTTP routes, one file per resource: parse, act, answer."""
