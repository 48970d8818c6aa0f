"""Where people meet sqlberg: the command line."""
