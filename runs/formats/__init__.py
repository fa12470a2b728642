"""Readers of the files that people bring: one a format, each yielding rows with their place for messages."""
