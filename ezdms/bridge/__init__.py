"""The bridge: the original's plain-text REST API on the user's own machine, for programs written for it.

It encrypts, decrypts and verifies with `ezdms.client`; to the server it is like any client. It must never listen where
another machine could reach it, answer a web page that was not allowed, or keep a Login PIN (docs/bridge.md).
"""
