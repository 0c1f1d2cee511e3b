"""Commands that run on the server's machine. None of them loads decryption code."""
