"""Checks that the server works: the machine, the data folder, the running server, and its public address."""

from ezdms.doctor.examine import examine

__all__ = ["examine"]
