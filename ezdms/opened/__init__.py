"""`ezdms open`: the installed release's page on one's own machine, talking to a server elsewhere.

Shells, scripts, styles and headers come from the package. Of the server only data is passed on, each answer of the kind
that its address has (ways.py), under headers of our own. It listens where no other machine can reach it, and answers
nobody but the browsers that began at the address which it printed (docs/verify.md).
"""
