"""Explains SQLite errors to the operator, and checks the database for damage at startup."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import Connection

from ezdms.store.schema import DatabaseError

SMALL = 64 * 1024 * 1024  # bytes up to which a database is fully checked whenever it is opened
RESTORE = "Restore a backup with: ezdms restore FILE (docs/self-hosting.md)."

# Primary result codes of SQLite.
DAMAGED = {11: "CORRUPT", 26: "NOTADB"}
LOCKS = {5: "BUSY", 6: "LOCKED"}
OUT_OF_REACH = {8: "READONLY", 10: "IOERR", 13: "FULL", 14: "CANTOPEN"} | LOCKS | DAMAGED


def _primary_code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_out_of_reach(error: BaseException) -> bool:
    """True if the disk is full or fails, another program holds the database, or a part of it is damaged: whatever
    else is stored is intact, and most of it may soon work again."""
    return _primary_code(error) in OUT_OF_REACH


def is_lock(error: BaseException) -> bool:
    """True if another program holds the database."""
    return _primary_code(error) in LOCKS


def is_damage(error: BaseException) -> bool:
    """True if the file is not a database, or is corrupt."""
    return _primary_code(error) in DAMAGED


def advice(error: BaseException) -> str:
    """What to do after this error, with a leading space; "" if unknown."""
    return f" {RESTORE}" if is_damage(error) else ""


def check(connection: Connection, path: Path) -> None:
    """Refuse a damaged database. Checks all of a small one; of a large one, the first and last row of each table.

    `ezdms doctor` and every backup check all of a large one. Raises DatabaseError or sqlite3.Error.
    """
    pages = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    if max(path.stat().st_size, next(iter(pages))[0]) <= SMALL:
        found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise DatabaseError(f"The database {path} is damaged ({' '.join(found[0].split())}). {RESTORE}")
        return
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    for (name,) in list(rows):
        for order in ("", "DESC"):
            connection.execute(f'SELECT * FROM "{name}" ORDER BY rowid {order} LIMIT 1').fetchall()  # noqa: S608
