"""One file for each thing that can be asked for: parse, act, answer."""
