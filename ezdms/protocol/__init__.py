"""What both sides know of the protocol, and nothing secret."""
