"""Who hears of what: publish and subscribe for a user's sockets."""

from ezdms.hub.memory import SESSION_ENDED, TOO_SLOW, Hub, Mailbox

__all__ = ["SESSION_ENDED", "TOO_SLOW", "Hub", "Mailbox"]
