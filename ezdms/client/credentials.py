"""Reads a Login PIN from a file or the environment, never from the command line, which others can see."""

from __future__ import annotations

import os
from pathlib import Path

from ezdms.client.errors import WrongPin


def find_pin() -> str | None:
    """The PIN from the file named by EZDMS_PIN_FILE, else EZDMS_PIN, else None. Raises WrongPin if unreadable."""
    name = os.environ.get("EZDMS_PIN_FILE")
    if name:
        try:
            return Path(name).read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise WrongPin(f"Cannot read the Login PIN from {name}.") from error
    return os.environ.get("EZDMS_PIN") or None


def keep_pin(pin: str) -> str:
    """Write a new PIN to the file named by EZDMS_PIN_FILE, readable only by its owner. Returns it. Raises WrongPin."""
    name = os.environ.get("EZDMS_PIN_FILE")
    if not name:
        raise WrongPin("A new account needs a file for its Login PIN. Set EZDMS_PIN_FILE to a new file.")
    try:
        with open(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(pin + "\n")
    except OSError as error:
        raise WrongPin(f"Cannot write the Login PIN to {name}: {error.strerror}.") from error
    return pin
