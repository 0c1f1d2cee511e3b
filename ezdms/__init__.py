"""EZ-DMS: direct messages that the server cannot read."""

__version__ = "1.0.0-beta"
PROTOCOL = "ezdms/1"
