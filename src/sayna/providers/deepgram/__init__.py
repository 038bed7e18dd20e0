"""Deepgram: speech recognition over its streams, speech synthesis over requests and sockets."""

from sayna.providers.deepgram.provider import open_provider

__all__ = ["open_provider"]
