"""The loop with a vendor that is none: its dialect is made up for these tests."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence

import pytest
from websockets.asyncio.server import ServerConnection

from sayna.errors import (
    ConnectionFailed,
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderRefused,
)
from sayna.providers import ws_loop
from sayna.providers.wires import Message, Note, Reply, Signal, WireEvent
from sayna.providers.ws_loop import StreamRecognizer, open_stream_recognizer
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Watched
from tests.fakes.vendor_server import Hands, open_rude_vendor, open_ws_vendor, shake_hands, until

OPTIONS = RecognizerOptions("toy")


class ToyWire:
    """Audio is text; the vendor's messages are JSON lists of words that say what they are."""

    keep_alive_s: float | None = 1.0

    def __init__(self, url: str, *, greets: bool = False) -> None:
        self.url = url
        self.greets = greets
        self.finishing = False

    @property
    def headers(self) -> Mapping[str, str]:
        return {"x-key": "k"}

    def opening(self) -> Sequence[Message]:
        return ("hello",)

    def encode(self, audio: bytes) -> Message | None:
        return None if audio == b"-" else f"audio {len(audio)}"

    def keep_alive(self) -> Message | None:
        return b"tick"

    def finalize(self) -> Sequence[Message]:
        return ("finalize", "really")

    def finish(self) -> Sequence[Message]:
        self.finishing = True
        return ("finish",)

    def decode(self, message: Message) -> Iterable[WireEvent]:
        match json.loads(message):
            case ["said", text]:
                return (Transcript(text, is_final=True),)
            case ["ready"]:
                return (Signal.READY,)
            case ["ask"]:
                return (Note("toy_asked", {"what": "more"}), Reply("answer"))
            case ["over"]:
                return (Signal.OVER,)
            case ["error", text]:
                raise ProviderRefused(text, retryable=True)
            case _:
                raise ValueError("a fault of the wire")

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return ProviderAuthFailed(f"{status} {headers['why']} {body.decode()}")

    def closed(self, code: int | None, reason: str) -> ProviderError | None:
        return None if code == 1000 else NetworkFailed(f"closed {code} {reason}", retryable=True)


class Vendor:
    """Remembers what it got and says what it is told."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.client: ServerConnection | None = None

    async def __call__(self, client: ServerConnection) -> None:
        self.client = client
        async for message in client:
            self.got.append(message)
            if message == "finish":
                await self.say("said", "last words")
                await self.say("over")
                await client.close()

    async def say(self, *words: str) -> None:
        await until(lambda: self.client)
        assert self.client is not None
        await self.client.send(json.dumps(words))


async def heard(recognizer: StreamRecognizer) -> list[SpeechEvent]:
    return [event async for event in recognizer.events()]


async def test_audio_goes_out_and_what_was_heard_comes_back() -> None:
    vendor = Vendor()
    async with (
        open_ws_vendor(vendor) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        recognizer.send_audio(b"abcd")
        recognizer.send_audio(b"")
        recognizer.send_audio(b"-")
        recognizer.finalize()
        recognizer.finish()
        recognizer.finish()
        recognizer.send_audio(b"late")
        recognizer.finalize()
        assert await heard(recognizer) == [Transcript("last words", is_final=True)]
    assert vendor.got == ["hello", "audio 4", "finalize", "really", "finish"]


async def test_a_refusal_is_put_into_words_by_the_wire() -> None:
    async with open_ws_vendor(Vendor(), (401, {"Why": "because"}, b"body")) as url:
        with pytest.raises(ProviderAuthFailed, match="401 because body"):
            async with open_stream_recognizer(ToyWire(url), OPTIONS, tls=None):
                pass


async def test_a_vendor_that_greets_is_waited_for() -> None:
    vendor = Vendor()

    async def greet(client: ServerConnection) -> None:
        await client.send('["ready"]')
        await vendor(client)

    async with (
        open_ws_vendor(greet) as url,
        open_stream_recognizer(ToyWire(url, greets=True), OPTIONS, tls=None) as recognizer,
    ):
        recognizer.finish()
        assert len(await heard(recognizer)) == 1


async def test_a_refusal_in_place_of_a_greeting_is_told_on_opening() -> None:
    async def refuse(client: ServerConnection) -> None:
        await client.send('["error", "no such model"]')
        await client.wait_closed()

    async with open_ws_vendor(refuse) as url:
        with pytest.raises(ProviderRefused, match="no such model"):
            async with open_stream_recognizer(ToyWire(url, greets=True), OPTIONS, tls=None):
                pass


async def test_a_vendor_that_never_greets_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_loop, "GREETING_LIMIT_S", 0.05)
    async with open_ws_vendor(Vendor()) as url:
        with pytest.raises(ConnectionFailed, match="does not greet"):
            async with open_stream_recognizer(ToyWire(url, greets=True), OPTIONS, tls=None):
                pass


async def test_what_the_vendor_asks_is_answered() -> None:
    vendor = Vendor()
    async with (
        open_ws_vendor(vendor) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None),
    ):
        await vendor.say("ask")
        await until(lambda: "answer" in vendor.got)


async def test_a_stream_without_audio_is_kept_alive_and_one_with_audio_is_not() -> None:
    vendor, hands = Vendor(), Hands()
    async with (
        open_ws_vendor(vendor) as url,
        open_stream_recognizer(
            ToyWire(url), OPTIONS, tls=None, call_later=hands.call_later
        ) as recognizer,
    ):
        hands.advance(1.0)  # the hello was sent since the last look
        recognizer.send_audio(b"ab")
        hands.advance(1.0)
        hands.advance(1.0)
        await until(lambda: b"tick" in vendor.got)
        assert vendor.got == ["hello", "audio 2", b"tick"]
    assert hands.waiting == 0


async def test_an_error_of_the_vendor_ends_the_stream_behind_what_was_heard() -> None:
    vendor = Vendor()
    async with (
        open_ws_vendor(vendor) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        await vendor.say("said", "before")
        await vendor.say("error", "out of order")
        events = recognizer.events()
        assert await anext(events) == Transcript("before", is_final=True)
        with pytest.raises(ProviderRefused, match="out of order"):
            await anext(events)
        recognizer.send_audio(b"ignored")
        recognizer.finish()


async def test_a_fault_of_the_wire_ends_the_stream_and_nothing_else() -> None:
    vendor = Vendor()
    async with (
        open_ws_vendor(vendor) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        await vendor.say("nonsense")
        with pytest.raises(NetworkFailed, match="makes no sense"):
            await heard(recognizer)


async def test_what_came_along_with_the_handshake_is_heard_before_the_death() -> None:
    async def speak_and_go(client: ServerConnection) -> None:
        await client.send('["said", "so soon"]')
        await client.close(1011, "why")

    async with (
        open_ws_vendor(speak_and_go) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        events = recognizer.events()
        assert await anext(events) == Transcript("so soon", is_final=True)
        with pytest.raises(NetworkFailed, match="closed 1011"):
            await anext(events)


@pytest.mark.parametrize(("code", "told"), [(1011, "closed 1011 why"), (1000, "ended the stream")])
async def test_a_close_in_the_middle_is_a_death(code: int, told: str) -> None:
    async def close(client: ServerConnection) -> None:
        await client.recv()
        await client.close(code, "why")

    async with (
        open_ws_vendor(close) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        with pytest.raises(NetworkFailed, match=told) as death:
            await heard(recognizer)
    assert death.value.retryable


async def test_a_connection_that_breaks_after_finish_is_a_death_too() -> None:
    async def break_off(client: ServerConnection) -> None:
        async for message in client:
            if message == "finish":
                client.transport.abort()

    async with (
        open_ws_vendor(break_off) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        recognizer.finish()
        with pytest.raises(NetworkFailed, match="closed None"):
            await heard(recognizer)


async def test_a_vendor_that_never_finishes_is_not_waited_for_longer_than_agreed() -> None:
    hands = Hands()

    async def dawdle(client: ServerConnection) -> None:
        async for _ in client:
            pass

    async with (
        open_ws_vendor(dawdle) as url,
        open_stream_recognizer(
            ToyWire(url), OPTIONS, tls=None, call_later=hands.call_later
        ) as recognizer,
    ):
        recognizer.finish()
        hands.advance(ws_loop.DRAIN_LIMIT_S)
        assert await heard(recognizer) == []


async def test_leaving_after_finish_lets_the_vendor_end_the_stream() -> None:
    closed: list[int | None] = []

    async def end(client: ServerConnection) -> None:
        async for message in client:
            if message == "finish":
                await client.close(1000)
        closed.append(client.close_code)

    async with open_ws_vendor(end) as url:
        async with open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer:
            recognizer.send_audio(b"ab")
            recognizer.finish()
        await until(lambda: closed)
    assert closed == [1000]


async def test_leaving_without_finish_closes_at_once() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url:
        async with open_stream_recognizer(ToyWire(url), OPTIONS, tls=None):
            await until(lambda: vendor.got)
        await until(lambda: vendor.client is not None and vendor.client.close_code)
    assert vendor.got == ["hello"]


async def test_a_session_that_does_not_listen_stops_the_reading_and_loses_nothing() -> None:
    texts = [f"{number:0500}" for number in range(10_000)]

    async def chatter(client: ServerConnection) -> None:
        for text in texts:
            await client.send(json.dumps(["said", text]))
        await client.close()

    async with (
        open_ws_vendor(chatter) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        await until(lambda: recognizer._paused)
        assert len(recognizer._events) < len(texts)
        events = recognizer.events()
        for text in texts:
            assert await anext(events) == Transcript(text, is_final=True)
        with pytest.raises(NetworkFailed):
            await anext(events)


async def test_a_vendor_shows_that_it_lives() -> None:
    vendor = Vendor()
    async with (
        open_ws_vendor(vendor) as url,
        open_stream_recognizer(ToyWire(url), OPTIONS, tls=None) as recognizer,
    ):
        assert isinstance(recognizer, Watched)
        assert recognizer.stall_limit_s is not None
        assert recognizer.stall_limit_s > 2 * ws_loop.PING_S
        await vendor.say("said", "x")
        await until(lambda: recognizer.signs_of_life == 1)


async def test_a_vendor_that_is_gone_without_a_word_shows_no_life() -> None:
    hands = Hands()

    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await writer.wait_closed()

    async with (
        open_rude_vendor(vanish) as address,
        open_stream_recognizer(
            ToyWire(f"ws://{address}"), OPTIONS, tls=None, call_later=hands.call_later
        ) as recognizer,
    ):
        for _ in range(4):
            recognizer.send_audio(b"ab")
            hands.advance(ws_loop.PING_S)
        assert recognizer.signs_of_life == 0


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("linear16", 64_000), ("mulaw", 32_000), ("opus", ws_loop.UNKNOWN_WAITING_BYTES)],
)
def test_the_backlog_is_two_seconds_of_audio(encoding: str, expected: int) -> None:
    assert ws_loop._waiting_bytes(RecognizerOptions("toy", encoding=encoding)) == expected
