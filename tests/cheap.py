"""`python -m tests.cheap …`: the command line with a cheap scrypt, so that an account costs a test 1 ms instead of 90.

No setting of the server does this. tests/contract/test_passwords.py asserts what the real command costs.
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
