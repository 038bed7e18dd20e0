"""What pocketsphinx workers are told beyond `model_messages`: how to listen to each caller.

A worker answers with `Heard` of no bytes once the caller's decoder is ready, and with `Broken`,
whose text is for the client, when it cannot be made ready.
"""

import msgspec

from sayna.providers.local.model_messages import Audio, Close, Finalize, Finish, Load


class OpenEar(msgspec.Struct, frozen=True, tag="open"):
    """A caller starts to be listened to."""

    lane: int
    mode: str
    """A value of `options.Mode`."""
    path: str
    """Of the grammar or the phrases; empty for dictation."""


ToEars = Load | OpenEar | Audio | Finalize | Finish | Close
