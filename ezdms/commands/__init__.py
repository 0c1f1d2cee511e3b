"""The commands of `ezdms`, a file for each kind. cli.py names them and loads what is called, nothing else."""
