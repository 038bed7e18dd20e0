"""Sound as values: formats, conversion, cutting. No I/O happens here."""
