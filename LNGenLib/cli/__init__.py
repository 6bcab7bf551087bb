"""The `lngen` command: one file for the commands of a topic."""
