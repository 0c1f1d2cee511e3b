"""What an error of PostgreSQL means. No password and no stored value gets into a sentence."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

from ezdms.store.errors import Unavailable

AGAIN = (errors.DeadlockDetected, errors.SerializationFailure)  # rolled back; the same may work now
OUT_OF_REACH = ("08", "40", "53", "55", "57", "58", "XX")  # classes of SQLSTATE
TLS = (  # what libpq says while connecting, and what that means
    (
        "certificate verify failed",
        "The certificate of PostgreSQL is from a CA that is not trusted here. Name the file of its CA in the address: "
        "sslrootcert=/etc/ezdms/ca.pem.",
    ),
    (
        "does not match host name",
        "The certificate of PostgreSQL is for another name than the address has. Use the name in it.",
    ),
    (
        "root certificate file",
        "The file of the CA of PostgreSQL (sslrootcert in the address) cannot be read.",
    ),
    (
        "does not support SSL",
        "PostgreSQL does no TLS, which the address asks for. Turn it on there (ssl = on); in a network of your own, "
        "sslmode=disable in the address goes without.",
    ),
)
ELSEWHERE = (errors.ReadOnlySqlTransaction,)  # such as a standby


def is_out_of_reach(error: BaseException) -> bool:
    """True if the connection or the server failed: whatever is stored is intact, and may soon be reached again."""
    if isinstance(error, (psycopg.InterfaceError, *ELSEWHERE)):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    return error.sqlstate[:2] in OUT_OF_REACH if error.sqlstate else isinstance(error, psycopg.OperationalError)


def sentence(error: psycopg.Error) -> str:
    """What happened, in PostgreSQL's words where those hold no values."""
    if error.diag.message_primary and is_out_of_reach(error):
        return f"PostgreSQL says: {error.diag.message_primary}"
    said = re.search(r"FATAL: +(.+)", str(error))  # while connecting; names of users and databases, no more
    if said:
        return f"PostgreSQL says: {said[1]}"
    if isinstance(error, errors.InsufficientPrivilege):
        return "The user may not create or use the tables. Make it the owner: ALTER DATABASE name OWNER TO user."
    for words, meaning in TLS:
        if words in str(error):
            return meaning
    if error.sqlstate:
        return f"PostgreSQL refuses it (SQLSTATE {error.sqlstate})."
    return "PostgreSQL cannot be reached."


def told(error: Exception) -> Exception:
    """The error for the callers: Unavailable if the server cannot be reached."""
    if not isinstance(error, psycopg.Error) or not is_out_of_reach(error):
        return error
    unavailable = Unavailable(sentence(error))
    unavailable.__cause__ = error
    return unavailable
