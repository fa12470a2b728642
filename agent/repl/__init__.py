"""A person in the loop: the graph of a discovery, guided command by command.

`acts` says what a person's act changes in the state, `session` runs the graph between acts, `commands` turns lines
into acts and views, `views` and `show` lay out what is seen, `console` and `script` read the lines.
"""
