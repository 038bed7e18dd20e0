"""The words that sessions and speech vendors share."""
