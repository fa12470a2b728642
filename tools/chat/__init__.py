"""Chat models: one interface, three kinds of client, and the ledger of every call (see `tools.chat.interface`)."""
