"""The public parts of the protocol, shared by server and client."""
