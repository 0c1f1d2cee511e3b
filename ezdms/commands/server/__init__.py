"""Commands that run where the server is: none loads decryption."""
