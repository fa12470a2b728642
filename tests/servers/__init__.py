"""Loopback servers that speak the chat protocols truly (without streaming), for tests and benchmarks.

`chat.ChatServer` answers OpenAI's chat completions and Anthropic's messages on one port, by a function from what
it was asked to what it says: a script, or the simulated reader (`reader`). It can lack what real servers lack, and
misbehave on command (`faults`).
"""
