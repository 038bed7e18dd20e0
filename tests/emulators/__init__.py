"""Local servers that speak like the vendors, rough edges included.

The frame (`clock`, `rules`, `recorder`, `control`, `server`, `speech`, `hearing`) knows no vendor;
each vendor is a folder of its own. `python -m tests.emulators` serves all of them by hand.
"""
