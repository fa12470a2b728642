"""The errors that reach a person. Each carries one line that says what is wrong and what would be right."""


class OrderparamError(Exception):
    """Base of all errors that are reported in one line; `exit_code` is what the program ends with."""

    exit_code = 1


class InputError(OrderparamError):
    """The user's input or usage is wrong: the line names the file, line, field or flag and what would be right."""

    exit_code = 2


class OutsideError(OrderparamError):
    """Something outside failed (server, quota, disk); the same command can be run again and goes on."""

    exit_code = 4
