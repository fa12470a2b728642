"""A person in the loop: the graph of a discovery, guided command by command.

`acts` and `trying` say what a person's act changes in the state, `session` runs the graph between acts, `commands`
turns lines into acts and views, `prices` says what an act may cost, the files of views lay out what is seen, and
`console` and `script` read the lines.
"""
