"""What the command line does besides serving: one module a command."""
