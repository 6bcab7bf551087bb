"""Errors whose message is written for the user."""


class InputError(ValueError):
    """Something the user gave can't be used; the message says what, and the way out.

    The command line turns it into exit code 2 and one line on stderr.
    """


class Canceled(Exception):
    """The caller's cancel check answered True; nothing was written."""
