"""What `sayna conformance` cannot know of the provider `morse` by its name alone."""

from morse_provider import open_provider

from sayna.conformance import Case, Speaking
from sayna.speech.options import SynthesizerOptions

CASE = Case(
    "morse",
    open_provider,
    speaking=Speaking(
        SynthesizerOptions("morse", voice_id="high", sample_rate=16_000),
        text="sos on the left",
        short_text="sos",
        variation=0.0,  # beeps are always equally long
    ),
)
