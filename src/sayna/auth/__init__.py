"""Who is asking: secrets, delegated tokens, identities."""
