"""`ezdms open`: serves the installed release's page on the user's own machine, connected to a remote server.

Shells, scripts, styles and headers come from the package. Only data is passed on from the server, each response with
the type of its address (ways.py) and with our own headers. It listens only on this machine, and answers only browsers
that opened the address it printed (docs/verify.md).
"""
