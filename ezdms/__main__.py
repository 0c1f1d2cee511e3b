"""`python -m ezdms`: the command line."""

from ezdms.cli import main

if __name__ == "__main__":
    main(prog_name="ezdms")
