"""One conversation: audio in, results out, text in, speech out."""
