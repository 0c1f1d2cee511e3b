"""The commands of `ezdms`. cli.py lists them and imports only the one that is called."""
