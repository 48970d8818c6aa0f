"""`python -m sqlberg`: the command line, for launchers that take a module."""

from .ui.cli import main

main()
