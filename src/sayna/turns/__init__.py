"""Has the caller finished? Arithmetic only: no clock, no audio, no network."""
