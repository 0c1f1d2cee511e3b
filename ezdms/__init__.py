"""EZ-DMS: direct messages that the server cannot read."""

__version__ = "0.1.0"
PROTOCOL = "ezdms/1"
