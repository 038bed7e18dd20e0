"""A Deepgram for tests: listen, speak, models, as strict as the vendor."""

from tests.emulators.deepgram.emulator import CONCURRENCY, KEY, open_deepgram

__all__ = ["CONCURRENCY", "KEY", "open_deepgram"]
