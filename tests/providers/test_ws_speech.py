"""The loop with a vendor that is none: its dialect is made up for these tests."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing

import pytest
from websockets.asyncio.server import ServerConnection

from sayna.errors import AudioRejected, NetworkFailed, ProviderError, ProviderRefused
from sayna.providers import ws_speech
from sayna.providers.wires import Mark, Message, Note, SpeechPart
from sayna.providers.ws_speech import SpeechSockets, open_speech_sockets
from tests.fakes.vendor_server import Hands, open_ws_vendor, until


class ToyWire:
    """Texts and marks are text messages, audio is binary."""

    headers: Mapping[str, str] = {}
    utterances_per_window = (3, 60.0)

    def __init__(self, url: str, *, cancels: bool = True) -> None:
        self.url = url
        self.cancels = cancels

    def opening(self) -> Sequence[Message]:
        return ("hello",)

    def say(self, text: str) -> Sequence[Message]:
        return (f"say {text}",)

    def end(self) -> Sequence[Message]:
        return ("end",)

    def cancel(self) -> Sequence[Message]:
        return ("cancel",) if self.cancels else ()

    def decode(self, message: Message) -> Iterable[SpeechPart]:
        match message:
            case bytes():
                return (message,)
            case "ended":
                return (Mark.ENDED,)
            case "cancelled":
                return (Mark.CANCELLED,)
            case "slow down":
                return (Note("toy_warning", {"code": "slow"}),)
            case _:
                raise ProviderRefused(message, retryable=True)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return ProviderRefused(f"refused {status}")

    def closed(self, code: int | None, reason: str) -> ProviderError | None:
        return NetworkFailed(f"closed {code}", retryable=True)


class Vendor:
    """Says each text back when it ends; keeps what it got, connection by connection."""

    def __init__(self) -> None:
        self.got: list[list[str]] = []
        self.clients: list[ServerConnection] = []
        self.answers_cancel = True
        self.late: list[bytes] = []
        """Audio that is on its way when a cancel comes."""

    async def __call__(self, client: ServerConnection) -> None:
        mine: list[str] = []
        self.got.append(mine)
        self.clients.append(client)
        said = ""
        async for message in client:
            assert isinstance(message, str)
            mine.append(message)
            if message.startswith("say "):
                said += message[4:]
            elif message == "end":
                await client.send("slow down")
                await client.send(said.encode())
                await client.send("ended")
                said = ""
            elif message == "cancel" and self.answers_cancel:
                said = ""
                for audio in self.late:
                    await client.send(audio)
                await client.send("cancelled")


async def written(*texts: str) -> AsyncGenerator[str, None]:
    for text in texts:
        await asyncio.sleep(0)
        yield text


async def unfinished(*texts: str) -> AsyncGenerator[str, None]:
    async for text in written(*texts):
        yield text
    await asyncio.Event().wait()


async def spoken(sockets: SpeechSockets, url: str, *texts: str, account: str = "a") -> bytes:
    audio = sockets.speak(account, lambda: ToyWire(url), written(*texts))
    return b"".join([chunk async for chunk in audio])


async def test_a_text_is_passed_on_as_it_is_written_and_its_end_is_told_once() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        assert await spoken(sockets, url, "good ", "", "morning") == b"good morning"
    assert vendor.got == [["hello", "say good ", "say morning", "end"]]


async def test_a_socket_is_used_again_for_the_next_utterance() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        assert await spoken(sockets, url, "one") == b"one"
        await until(lambda: sockets.idle_count == 1)
        assert await spoken(sockets, url, "two") == b"two"
    assert len(vendor.clients) == 1


async def test_accounts_do_not_share_sockets() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        await spoken(sockets, url, "one", account="a")
        await spoken(sockets, url, "two", account="b")
    assert len(vendor.clients) == 2


async def test_two_utterances_at_a_time_have_a_socket_each() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        both = await asyncio.gather(spoken(sockets, url, "one"), spoken(sockets, url, "two"))
    assert tuple(both) == (b"one", b"two")
    assert len(vendor.clients) == 2


async def test_a_text_without_a_word_asks_the_vendor_for_nothing() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        assert await spoken(sockets, url, "") == b""
        assert await spoken(sockets, url, "x") == b"x"
    assert vendor.got == [["hello", "say x", "end"]]


async def test_nothing_of_a_cancelled_utterance_is_heard_in_the_next() -> None:
    vendor = Vendor()
    vendor.late = [b"late ", b"audio"]

    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        audio = sockets.speak("a", lambda: ToyWire(url), unfinished("one"))
        async with aclosing(audio):
            listening = asyncio.ensure_future(anext(audio))
            await until(lambda: vendor.got and "say one" in vendor.got[0])
            listening.cancel()
            await asyncio.wait([listening])
        await until(lambda: sockets.idle_count == 1)
        assert await spoken(sockets, url, "two") == b"two"
    assert vendor.got == [["hello", "say one", "cancel", "say two", "end"]]


async def test_a_vendor_that_does_not_forget_loses_its_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ws_speech, "CANCEL_LIMIT_S", 0.05)
    vendor = Vendor()
    vendor.answers_cancel = False
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        await cancelled(sockets, url, vendor)
        await until(lambda: vendor.clients[0].close_code)
        assert await spoken(sockets, url, "two") == b"two"
    assert len(vendor.clients) == 2


async def test_a_vendor_that_cannot_cancel_loses_its_socket() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        await cancelled(sockets, url, vendor, cancels=False)
        await until(lambda: vendor.clients[0].close_code)
        assert sockets.idle_count == 0


async def cancelled(
    sockets: SpeechSockets, url: str, vendor: Vendor, *, cancels: bool = True
) -> None:
    audio = sockets.speak("a", lambda: ToyWire(url, cancels=cancels), unfinished("one"))
    async with aclosing(audio):
        listening = asyncio.ensure_future(anext(audio))
        await until(lambda: vendor.got and "say one" in vendor.got[0])
        listening.cancel()
        await asyncio.wait([listening])


async def test_a_socket_that_has_said_enough_is_replaced() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        for number in range(4):
            assert await spoken(sockets, url, str(number)) == str(number).encode()
            await until(lambda: not sockets._busy)
    assert [len(got) for got in vendor.got] == [7, 3]


async def test_an_idle_socket_is_closed_after_a_while() -> None:
    vendor, hands = Vendor(), Hands()
    async with (
        open_ws_vendor(vendor) as url,
        open_speech_sockets(None, hands.call_later, hands.now) as sockets,
    ):
        await spoken(sockets, url, "one")
        await until(lambda: sockets.idle_count == 1)
        for _ in range(3):
            await asyncio.sleep(0)
            hands.advance(ws_speech.IDLE_LIMIT_S / 2)
        await until(lambda: vendor.clients[0].close_code)
        assert sockets.idle_count == 0


async def test_an_idle_socket_that_the_vendor_closed_is_not_used() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url, open_speech_sockets(None) as sockets:
        await spoken(sockets, url, "one")
        await until(lambda: sockets.idle_count == 1)
        await vendor.clients[0].close()
        assert await spoken(sockets, url, "two") == b"two"
    assert len(vendor.clients) == 2


async def test_what_the_vendor_says_against_it_ends_the_utterance() -> None:
    async def complain(client: ServerConnection) -> None:
        await client.recv()
        await client.recv()
        await client.send(b"be")
        await client.send("out of order")
        await client.wait_closed()

    async with open_ws_vendor(complain) as url, open_speech_sockets(None) as sockets:
        audio = sockets.speak("a", lambda: ToyWire(url), written("begin"))
        assert await anext(audio) == b"be"
        with pytest.raises(ProviderRefused, match="out of order"):
            await anext(audio)


async def test_a_close_in_the_middle_ends_the_utterance_so_that_it_may_be_tried_again() -> None:
    async def close(client: ServerConnection) -> None:
        await client.recv()
        await client.close(1011)

    async with open_ws_vendor(close) as url, open_speech_sockets(None) as sockets:
        with pytest.raises(NetworkFailed, match="closed 1011") as told:
            await spoken(sockets, url, "x")
    assert told.value.retryable


async def test_a_refused_handshake_is_put_into_words_by_the_wire() -> None:
    async with (
        open_ws_vendor(Vendor(), (429, {}, b"")) as url,
        open_speech_sockets(None) as sockets,
    ):
        with pytest.raises(ProviderRefused, match="refused 429"):
            await spoken(sockets, url, "x")


async def test_a_text_that_fails_fails_the_utterance() -> None:
    async def broken() -> AsyncGenerator[str, None]:
        yield "one"
        raise ValueError("the writer fell over")

    async with open_ws_vendor(Vendor()) as url, open_speech_sockets(None) as sockets:
        with pytest.raises(AudioRejected, match="could not be read"):
            async for _ in sockets.speak("a", lambda: ToyWire(url), broken()):
                pass


async def test_an_utterance_that_stands_still_stops_the_reading_and_loses_nothing() -> None:
    piece, count = bytes(60_000), 200

    async def pour(client: ServerConnection) -> None:
        async for message in client:
            if message == "end":
                for _ in range(count):
                    await client.send(piece)
                await client.send("ended")

    async with open_ws_vendor(pour) as url, open_speech_sockets(None) as sockets:
        audio = sockets.speak("a", lambda: ToyWire(url), written("x"))
        size = len(await anext(audio))
        (socket,) = sockets._busy
        await until(lambda: socket._paused)
        assert socket._waiting_bytes < 2 * ws_speech.MAX_AHEAD_BYTES
        async for chunk in audio:
            size += len(chunk)
    assert size == count * len(piece)


async def test_the_end_of_the_block_ends_what_is_being_said() -> None:
    vendor = Vendor()
    async with open_ws_vendor(vendor) as url:
        async with open_speech_sockets(None) as sockets:
            audio = sockets.speak("a", lambda: ToyWire(url), unfinished("one"))
            listening = asyncio.ensure_future(anext(audio))
            await until(lambda: vendor.got and "say one" in vendor.got[0])
        with pytest.raises(ProviderError):
            await listening
