"""Parses a message from a request or socket. Checks it only from outside: nothing here can decrypt it."""

from __future__ import annotations

from ezdms.models.message import Draft
from ezdms.models.message_facts import LONGEST_LIFE
from ezdms.problem import Problem
from ezdms.protocol import encoding, envelope
from ezdms.web.fields import parse_bytes, parse_integer

FIELDS = ("conversation_id", "message_id", "n", "hash", "suite", "content_for_a", "content_for_b")
OPTIONAL = ("expires_in", "replaces", "file")


def parse_draft(fields: dict[str, str]) -> Draft:
    """Parse FIELDS and OPTIONAL strictly. Both copies must look like a message and have the same size.

    Problem 400, 404 or 422.
    """
    n = parse_integer("n", fields["n"], low=1, high=encoding.LARGEST_INTEGER)
    if fields["suite"] != "1":
        raise Problem(422, "suite", "This server supports only message suite 1.")
    for name, size in (("message_id", 16), ("hash", 32)):
        parse_bytes(name, fields[name], size)
    expires_in = parse_integer("expires_in", fields.get("expires_in", "0"), low=0, high=LONGEST_LIFE)
    for name in ("replaces", "file"):
        if fields.get(name):
            parse_bytes(name, fields[name], 16)
    if fields.get("file") and fields.get("replaces"):
        raise Problem(400, "malformed_field", "A message that replaces another has no file.")
    sealed_a, sealed_b = fields["content_for_a"], fields["content_for_b"]
    try:
        key_a, key_b = envelope.key_id_of(sealed_a), envelope.key_id_of(sealed_b)
    except encoding.EnvelopeError as error:
        raise Problem(422, "envelope", str(error)) from error
    if len(sealed_a) != len(sealed_b):
        raise Problem(422, "envelope", "The two copies differ in size, so they cannot contain the same message.")
    return Draft(
        conversation_id=fields["conversation_id"],
        message_id=fields["message_id"],
        n=n,
        hash=fields["hash"],
        suite=1,
        sealed_a=sealed_a,
        sealed_b=sealed_b,
        key_a=key_a,
        key_b=key_b,
        expires_in=expires_in,
        replaces=fields.get("replaces", ""),
        file=fields.get("file", ""),
    )
