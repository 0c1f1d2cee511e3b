"""Publish and subscribe for users' sockets."""

from ezdms.hub.memory import SESSION_ENDED, TOO_SLOW, Hub, Mailbox, Place

__all__ = ["SESSION_ENDED", "TOO_SLOW", "Hub", "Mailbox", "Place"]
