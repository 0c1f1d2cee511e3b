"""Admitting, parsing and answering requests."""
