"""Have Sayna speak a sentence, send the sound back through /ws, and print what it understood.

Needs a running server (`make run`) and the official client, `sayna-client`.
"""

import asyncio
import sys

from sayna_client import SaynaClient, STTConfig, STTResultMessage, TTSConfig

SENTENCE = "what is the weather like today"
VOICE = TTSConfig(provider="local", model="", audio_format="linear16", sample_rate=16000)
EARS = STTConfig(
    provider="local",
    model="grammar:demo",  # ten sentences that come with Sayna; "" understands free speech
    language="en-US",
    encoding="linear16",
    sample_rate=16000,
    channels=1,
    punctuation=True,
)


async def main(url: str) -> None:
    """Speak once, listen once."""
    client = SaynaClient(url, stt_config=EARS, tts_config=VOICE)
    ready, understood = asyncio.Event(), asyncio.Event()

    def show(result: STTResultMessage) -> None:
        print("final:  " if result.is_final else "interim:", result.transcript)
        if result.is_speech_final and result.transcript:
            understood.set()

    client.register_on_ready(lambda _: ready.set())
    client.register_on_stt_result(show)

    sound, _ = await client.speak_rest(SENTENCE, VOICE)
    await client.connect()
    try:
        await asyncio.wait_for(ready.wait(), timeout=10)
        second_of_silence = bytes(2 * 16000)
        sound += second_of_silence  # so that the end of the last word can be heard
        for start in range(0, len(sound), 640):  # 20 ms at a time, at the pace of speech
            await client.on_audio_input(sound[start : start + 640])
            await asyncio.sleep(0.02)
        await asyncio.wait_for(understood.wait(), timeout=10)
    finally:
        await client.disconnect()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3001"))
