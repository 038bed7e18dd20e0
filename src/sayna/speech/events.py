"""What a recognizer tells a session."""

from typing import NamedTuple


class Transcript(NamedTuple):
    """One recognition result: the text of the current segment, never of the whole session.

    An interim replaces the interim before it; a final closes the segment.
    """

    text: str
    is_final: bool = False
    """The text will not change any more."""
    is_speech_final: bool = False
    """The engine believes that the speaker has stopped."""
    confidence: float = 0.0
    """0 to 1; 0 where the engine gives none for interims, 1 where it gives none for finals."""


class RecognizerFault(NamedTuple):
    """The engine failed and was replaced, or will be once that is possible; the stream goes on."""

    text: str
    """`<Kind>: <detail>`, fit for the client."""


SpeechEvent = Transcript | RecognizerFault
"""Everything that `Recognizer.events` yields."""
