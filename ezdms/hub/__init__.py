"""Who hears of what: publish and subscribe for a user's sockets."""

from ezdms.hub.memory import Event, Hub, Mailbox

__all__ = ["Event", "Hub", "Mailbox"]
