"""`python -m tests.support.cheap …`: the command line with a cheap scrypt, so that an account costs 1 ms, not 90.

No setting of the server does this. tests/hosting/test_passwords.py asserts what the real command costs.
"""

from __future__ import annotations

from ezdms.actions import passwords
from ezdms.cli import main

METHOD = "scrypt:256:8:1"


def use() -> None:
    """From now on, in this process."""
    passwords.METHOD = METHOD


if __name__ == "__main__":
    use()
    main()
