"""Where a Login PIN comes from: a file or the environment. Never the command line, which others can see."""

from __future__ import annotations

import os
from pathlib import Path

from ezdms.client.errors import WrongPin


def find_pin() -> str | None:
    """From the file that EZDMS_PIN_FILE names, else EZDMS_PIN, else None. Raises WrongPin if it cannot be read."""
    name = os.environ.get("EZDMS_PIN_FILE")
    if name:
        try:
            return Path(name).read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise WrongPin(f"The Login PIN cannot be read from {name}.") from error
    return os.environ.get("EZDMS_PIN") or None


def keep_pin(pin: str) -> str:
    """Write a new PIN where EZDMS_PIN_FILE says, readable by its owner alone; returns it. Raises WrongPin."""
    name = os.environ.get("EZDMS_PIN_FILE")
    if not name:
        raise WrongPin("A new account needs a place for its Login PIN: set EZDMS_PIN_FILE to a file to be made.")
    try:
        with open(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(pin + "\n")
    except OSError as error:
        raise WrongPin(f"The Login PIN cannot be written to {name}: {error.strerror}.") from error
    return pin
