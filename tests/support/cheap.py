"""`python -m tests.support.cheap …`: the command line with a cheap scrypt: 1 ms per account instead of 90.

No setting of the server does this. tests/hosting/test_passwords.py asserts what the real command costs.
"""

from __future__ import annotations

from ezdms.actions import passwords
from ezdms.cli import main

METHOD = "scrypt:256:8:1"


def use() -> None:
    """Use the cheap scrypt in this process from now on."""
    passwords.METHOD = METHOD


if __name__ == "__main__":
    use()
    main()
