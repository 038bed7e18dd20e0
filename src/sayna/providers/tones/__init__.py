"""The provider `tones`: sings every text as chords and reads them back, word for word.

It is a measuring instrument: whatever lies between its voice and its ear, a socket, a room or a
telephone, either every word arrives or it is known which did not. Offered only when the setting
`providers.tones` is on.
"""

from sayna.providers.tones.provider import open_provider

__all__ = ["open_provider"]
