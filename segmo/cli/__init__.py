"""The command line, `python -m segmo`: one module a command, listed in `main.COMMANDS`."""
