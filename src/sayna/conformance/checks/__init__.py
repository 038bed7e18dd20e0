"""The checks, by subject. Each docstring says a rule and why it is one; each failure, the cure."""
