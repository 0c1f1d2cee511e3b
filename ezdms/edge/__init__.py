"""How bytes come and go: hypercorn, its repairs, and what stands around the app."""
