"""What callers and servers say to each other in a measurement; every server says the same.

Imports nothing beyond the standard library, so that no server pays for another's packages.
"""

import json
import time

FRAMES_PER_RESULT = 50
"""Frames that a recognizer hears between two results: one a second."""

FRAME_S = 0.02
FRAME = bytes(640)
"""What a caller sends each 20 ms: 16 kHz, 16 bit."""

SPEECH = bytes(16_000 * 2)
"""What is said to any text: one second at 16 kHz, 16 bit."""

SPOKEN_FRAME_BYTES = 320
"""Of the frames in which it is sent: 10 ms."""

SLOW_FIRST_BYTE_S = 0.1
"""What the engine behind the model `slow` needs before the first sound of an utterance."""

SLOW_PIECES = 10
"""Of 20 ms each, at the pace of speech, are an utterance of that engine."""

READY = json.dumps({"type": "ready"})


def config(model: str = "", provider: str = "counting") -> bytes:
    """Write a session's first message.

    Args:
        model: `slow` for the engine that needs time.
        provider: of both speech and hearing.
    """
    stt = {
        "provider": provider,
        "language": "en-US",
        "sample_rate": 16_000,
        "channels": 1,
        "punctuation": True,
        "encoding": "linear16",
        "model": "",
    }
    tts = {"provider": provider, "model": model, "sample_rate": 16_000}
    return json.dumps({"type": "config", "stt_config": stt, "tts_config": tts}).encode()


def speak(text: str) -> bytes:
    """Write a `speak`."""
    return json.dumps({"type": "speak", "text": text}).encode()


def result(frames: int) -> str:
    """Write a result as Sayna does."""
    return json.dumps(
        {
            "type": "stt_result",
            "transcript": str(frames),
            "is_final": False,
            "is_speech_final": False,
            "confidence": 0.5,
        }
    )


def complete() -> str:
    """Write a completion."""
    return json.dumps({"type": "tts_playback_complete", "timestamp": int(time.time() * 1000)})
