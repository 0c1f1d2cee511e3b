"""Checks from another machine what a server serves, without logging in. Imports no server code except what it serves.

report = await verify("https://chat.example.org")
report.verdict      "passed" or "failed"
report.findings     what was checked, and the results
"""

from ezdms.verify.place import AddressError
from ezdms.verify.report import FAILED, OK, WARNING, Finding, Report
from ezdms.verify.visit import verify

__all__ = ["FAILED", "OK", "WARNING", "AddressError", "Finding", "Report", "verify"]
