"""How a request is admitted, read and answered."""
