"""The bridge: the original's plain-text REST API on one's own machine, for programs that were written for it.

It seals, opens and checks with `ezdms.client`; the server gets what any client sends. It must never listen where
another machine could reach it, answer a web page it was not told of, or keep a Login PIN (docs/bridge.md).
"""
