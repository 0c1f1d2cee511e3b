"""The HTTP server: hypercorn, fixes for it, and the middleware around the app."""
