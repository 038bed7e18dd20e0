"""Settings as values: read once, frozen, passed down."""
