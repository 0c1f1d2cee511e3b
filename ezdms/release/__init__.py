"""The release as others can check it: its manifest, and who signed that."""
