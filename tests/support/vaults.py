"""Vaults filled with noise; a server cannot tell the difference."""

from __future__ import annotations

from ezdms import crypto
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_encode


def noise_vault(keys: crypto.Keys, size: int = envelope.VAULT_STEP, word: str = "A") -> str:
    """A vault of this padded size for the owner of these keys, filled with `word`."""
    characters = next(length for length, padded in envelope.VAULT_SIZES.items() if padded == size)
    ciphertext = (word * (characters // len(word) + 1))[: characters - 1] + "A"
    parts = [envelope.envelope_header(envelope.key_id(keys.spki), envelope.VAULT_TYP)]
    return ".".join([*parts, b64u_encode(bytes(256)), b64u_encode(bytes(12)), ciphertext, b64u_encode(bytes(16))])
