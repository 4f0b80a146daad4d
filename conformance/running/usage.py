"""What a user asked for and cannot have."""


class UsageError(Exception):
    """The user asked for what cannot be done; the message says what was given and what is accepted."""
