"""The command line `fixhead`."""
