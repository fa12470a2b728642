"""Many discoveries at once, and what is common to their domains.

`plan_file` and `plan` say what is to be done, `running` does it, `matrix` holds the results against each other.
"""
