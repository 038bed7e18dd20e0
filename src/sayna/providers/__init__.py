"""Speech vendors, a folder each, behind the protocols of `sayna.speech`."""
