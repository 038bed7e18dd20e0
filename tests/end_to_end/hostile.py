"""Frames and handshakes that no decent client sends, from a seed: always the same.

Each comes with what has to become of it, so that a test can tell a good answer from a bad one.
"""

import json
import os
import random
import struct
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from tests.api.raw_socket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG = 1002, 1007, 1009
VIOLATIONS = {PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG}
MAX_MESSAGE_BYTES = 64 * 1024

STT: dict[str, Any] = {
    "provider": "tones",
    "language": "en-US",
    "sample_rate": 8000,
    "channels": 1,
    "punctuation": True,
    "encoding": "linear16",
    "model": "",
}
TTS: dict[str, Any] = {
    "provider": "tones",
    "model": "",
    "voice_id": "chords",
    "speaking_rate": 1.0,
    "audio_format": "linear16",
    "sample_rate": 8000,
    "connection_timeout": 5,
    "request_timeout": 5,
    "pronunciations": [{"word": "a", "pronunciation": "b"}],
}
CONFIG: dict[str, Any] = {"type": "config", "stt_config": STT, "tts_config": TTS}
CLIP = {"data": "AAAA" * 100, "format": "pcm", "sample_rate": 8000, "channels": 1, "volume": 0.5}
ROOM = {"room_name": "r", "enable_recording": False, "listen_participants": ["a"]}
MESSAGES: tuple[dict[str, Any], ...] = (
    CONFIG,
    {**CONFIG, "stream_id": "x", "audio": True, "events": ["vad"], "loading_audio": CLIP},
    {**CONFIG, "livekit": ROOM, "loading_audio": CLIP},
    {**CONFIG, "stt_config": {**STT, "turn": {}, "auth": {}}, "tts_config": {**TTS, "auth": {}}},
    {"type": "config", "audio": False},
    {"type": "speak", "text": "hm", "flush": True, "allow_interruption": True},
    {"type": "speak", "text": "oh", "allow_interruption": False},
    {"type": "clear"},
    {"type": "send_message", "message": "m", "role": "user", "topic": "t", "debug": {"a": [1]}},
    {"type": "sip_transfer", "transfer_to": "+15550100"},
    {"type": "update_config", "turn_detect": {"threshold": 0.5}},
    {"type": "loading_start"},
    {"type": "loading_stop"},
)
OPENINGS: tuple[dict[str, Any] | None, ...] = (
    None,
    CONFIG,
    CONFIG,
    {"type": "config", "audio": False},
    {**CONFIG, "tts_config": {**TTS, "sample_rate": 0}},
    {**CONFIG, "livekit": ROOM},
)
"""What a client may have sent before it turns hostile: each state of a session."""

JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    10**30,
    2**31,
    2**32 - 1,
    2**63,
    2**64,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\x00",
    "\ud800",
    "\udfff\ud800",
    "🚀" * 20,
    "../../etc/passwd",
    "16000",
    "config",
    "x" * 5000,
    [],
    [[]],
    [None],
    {},
    {"type": "config"},
    {"": {"": {}}},
    ["a"] * 500,
)


class Move(NamedTuple):
    """Something to send, and what follows."""

    data: bytes
    codes: frozenset[int] | None = None
    """The connection ends with a Close with one of these; None: it goes on."""


def frame(
    chance: random.Random,
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    mask: bool = True,
    rsv: int = 0,
    size: int | None = None,
    width: int | None = None,
) -> bytes:
    """Write a frame with a random mask.

    Args:
        chance: where the mask comes from.
        opcode: 0 to 15.
        size: that the head claims; the payload's unless told otherwise.
        width: bytes of the length; as few as do unless told otherwise.
    """
    claimed = len(payload) if size is None else size
    if width is None:
        width = 0 if claimed < 126 else 2 if claimed < 2**16 else 8
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    short = {0: claimed, 2: 126, 8: 127}[width]
    length = {0: b"", 2: struct.pack("!H", claimed & 0xFFFF), 8: struct.pack("!Q", claimed)}[width]
    head = bytes((first, (0x80 if mask else 0) | short)) + length
    if not mask:
        return head + payload
    key = chance.randbytes(4)
    return head + key + masked(payload, key)


def masked(payload: bytes, key: bytes) -> bytes:
    """Exclusive-or the payload with the key, over and over."""
    long_key = (key * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(long_key, "big")
    return number.to_bytes(len(payload), "big")


# Frames after which the connection goes on


def _mutant(chance: random.Random) -> Move:
    return Move(frame(chance, TEXT, mutate(chance).encode(errors="replace")))


def _whole_message(chance: random.Random) -> Move:
    message = chance.choice(MESSAGES[4:] if chance.random() < 0.8 else MESSAGES)
    return Move(frame(chance, TEXT, json.dumps(message).encode()))


def _audio(chance: random.Random) -> Move:
    size = chance.choice((0, 1, 2, 3, 125, 126, 127, 319, 320, 641, 4095))
    return Move(frame(chance, BINARY, chance.randbytes(size)))


def _small_control(chance: random.Random) -> Move:
    opcode = chance.choice((PING, PONG))
    return Move(frame(chance, opcode, chance.randbytes(chance.choice((0, 1, 124, 125)))))


def _fragments(chance: random.Random) -> Move:
    opcode = chance.choice((TEXT, BINARY))
    message = mutate(chance).encode(errors="replace") if opcode == TEXT else chance.randbytes(333)
    cuts = sorted(chance.randrange(len(message) + 1) for _ in range(chance.randint(1, 5)))
    parts = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
    frames: list[bytes] = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        frames.append(frame(chance, opcode if number == 0 else CONTINUATION, part, fin=last))
        if not last and chance.random() < 0.3:
            frames.append(_small_control(chance).data)
    return Move(b"".join(frames))


NUISANCES: tuple[Callable[[random.Random], Move], ...] = (
    *(_mutant,) * 8,
    *(_whole_message,) * 2,
    _audio,
    _small_control,
    _fragments,
)


# Frames that end the connection


def _end(data: bytes, *codes: int) -> Move:
    return Move(data, frozenset(codes))


def _reserved_opcode(chance: random.Random) -> Move:
    opcode = chance.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))
    return _end(frame(chance, opcode, chance.randbytes(chance.randrange(130))), PROTOCOL_ERROR)


def _reserved_bits(chance: random.Random) -> Move:
    opcode = chance.choice((TEXT, BINARY, PING, PONG))
    return _end(frame(chance, opcode, b"hello", rsv=chance.randint(1, 7)), PROTOCOL_ERROR)


def _unmasked(chance: random.Random) -> Move:
    opcode = chance.choice((TEXT, BINARY, PING, CLOSE))
    return _end(frame(chance, opcode, b"\x03\xe8", mask=False), PROTOCOL_ERROR)


def _orphan(chance: random.Random) -> Move:
    return _end(frame(chance, CONTINUATION, b"x", fin=chance.random() < 0.5), PROTOCOL_ERROR)


def _interrupted_fragments(chance: random.Random) -> Move:
    begun = frame(chance, chance.choice((TEXT, BINARY)), b"x", fin=False)
    return _end(begun + frame(chance, chance.choice((TEXT, BINARY)), b"y"), PROTOCOL_ERROR)


def _long_control(chance: random.Random) -> Move:
    payload = b"\x03\xe8" + bytes(chance.choice((124, 1000)))
    return _end(frame(chance, chance.choice((CLOSE, PING, PONG)), payload), PROTOCOL_ERROR)


def _fragmented_control(chance: random.Random) -> Move:
    return _end(frame(chance, chance.choice((PING, PONG, CLOSE)), fin=False), PROTOCOL_ERROR)


def _bad_text(chance: random.Random) -> Move:
    wrong = chance.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"))
    text = b'{"type":"' + wrong + b'"}'
    if chance.random() < 0.5:
        return _end(frame(chance, TEXT, text), INVALID_TEXT)
    half = len(text) // 2
    parts = frame(chance, TEXT, text[:half], fin=False) + frame(chance, CONTINUATION, text[half:])
    return _end(parts, INVALID_TEXT)


def _huge_length(chance: random.Random) -> Move:
    size = chance.choice((MAX_MESSAGE_BYTES + 1, 2**24, 2**31, 2**32, 2**62, 2**63 - 1))
    data = frame(chance, chance.choice((TEXT, BINARY)), b"x" * 10, size=size)
    return _end(data, TOO_BIG, PROTOCOL_ERROR)


def _wasteful_length(chance: random.Random) -> Move:
    return _end(frame(chance, BINARY, b"ab", width=chance.choice((2, 8))), PROTOCOL_ERROR)


def _top_bit(chance: random.Random) -> Move:
    size = 2**63 + chance.choice((0, 5, 2**63 - 1))
    return _end(frame(chance, BINARY, b"hello", size=size, width=8), TOO_BIG, PROTOCOL_ERROR)


def _too_big_in_parts(chance: random.Random) -> Move:
    half = bytes(MAX_MESSAGE_BYTES // 2 + 1)
    parts = frame(chance, BINARY, half, fin=False) + frame(chance, CONTINUATION, half)
    return _end(parts, TOO_BIG)


def _close(chance: random.Random) -> Move:
    code = chance.choice((1000, 1001, 1003, 1011, 3000, 4999))
    return _end(frame(chance, CLOSE, struct.pack("!H", code) + b"bye"), code)


def _silent_close(chance: random.Random) -> Move:
    return _end(frame(chance, CLOSE), 1000)


def _bad_close(chance: random.Random) -> Move:
    code = chance.choice((0, 1, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535))
    payload = chance.choice((struct.pack("!H", code), b"\x03"))
    return _end(frame(chance, CLOSE, payload), PROTOCOL_ERROR)


def _close_with_bad_reason(chance: random.Random) -> Move:
    return _end(frame(chance, CLOSE, b"\x03\xe8\xff\xfe"), 1000, PROTOCOL_ERROR, INVALID_TEXT)


ENDS: tuple[Callable[[random.Random], Move], ...] = (
    _reserved_opcode,
    _reserved_bits,
    _unmasked,
    _orphan,
    _interrupted_fragments,
    _long_control,
    _fragmented_control,
    _bad_text,
    _huge_length,
    _wasteful_length,
    _top_bit,
    _too_big_in_parts,
    _close,
    _silent_close,
    _bad_close,
    _close_with_bad_reason,
)


def half_frame(chance: random.Random) -> bytes:
    """Return a frame that lacks its end."""
    whole = frame(chance, chance.choice((TEXT, BINARY, PING)), bytes(100))
    return whole[: chance.randrange(1, len(whole) - 1)]


# Texts that are almost messages


def mutate(chance: random.Random) -> str:
    """Return a message of the protocol with one to three faults in it."""
    message = json.loads(json.dumps(chance.choice(MESSAGES)))
    for _ in range(chance.randint(1, 3)):
        _spoil(chance, message)
    text = json.dumps(message, ensure_ascii=chance.random() < 0.5)
    return chance.choice(_TEXT_FAULTS)(chance, text) if chance.random() < 0.35 else text


def _spoil(chance: random.Random, message: dict[str, Any]) -> None:
    places = list(_places(message))
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1:
            holder[f"{key}x"] = holder.pop(key)
        case 2:
            holder[chance.choice(("unknown", "", "type ", "\x00", key.upper()))] = 1
        case _:
            holder[key] = deepcopy(chance.choice(JUNK))
    message.setdefault("type", chance.choice(("config", "speak", "audio", "", 7, None)))


def _places(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for key, inner in value.items():
        yield value, key
        if isinstance(inner, dict):
            yield from _places(inner)


def _cut(chance: random.Random, text: str) -> str:
    return text[: chance.randrange(len(text))]


def _twice(chance: random.Random, text: str) -> str:
    keys = ("type", "text", "stt_config", "audio")
    return f'{{"{chance.choice(keys)}":{chance.choice(("1", "null", "[]"))},{text[1:]}'


def _stain(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice('{}[]",:\\\x00\x7f€0-eE.') + text[at + 1 :]


def _deep(chance: random.Random, text: str) -> str:
    depth = chance.choice((10, 1000, 30_000))
    return f'{{"type":"speak","text":"a","x":{"[" * depth}{"]" * depth}}}'


def _unfinished_depth(chance: random.Random, text: str) -> str:
    return chance.choice(("[", '{"type":', '{"a":{')) * chance.choice((10, 2000))


def _long_number(chance: random.Random, text: str) -> str:
    digits = "9" * chance.choice((20, 400, 5000))
    return f'{{"type":"update_config","turn_detect":{{"threshold":{digits}}}}}'


def _wrapped(chance: random.Random, text: str) -> str:
    return chance.choice(("[{}]", "\ufeff{}", " \n\t{} ", "{}{}", "{}x", '"{}"')).replace(
        "{}", text
    )


def _no_object(chance: random.Random, text: str) -> str:
    return chance.choice(("", " ", "null", "0", '"config"', "[]", "{}", "NaN", "-", "{'a':1}"))


def _lone_surrogate(chance: random.Random, text: str) -> str:
    return '{"type":"speak","text":"\\ud800"}' if chance.random() < 0.5 else '{"type":"\\udc00x"}'


_TEXT_FAULTS: tuple[Callable[[random.Random, str], str], ...] = (
    _cut,
    _cut,
    _twice,
    _stain,
    _stain,
    _deep,
    _unfinished_depth,
    _long_number,
    _wrapped,
    _no_object,
    _lone_surrogate,
)


# Handshakes

SECRET = "open-sesame"  # noqa: S105 - of the server under test  # pragma: allowlist secret
GOOD: dict[str, str] = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Authorization": f"Bearer {SECRET}",
}
VALUES = (
    "",
    " ",
    "websocket",
    "h2c",
    "upgrade, keep-alive",
    "close",
    "13, 13",
    "0",
    "-1",
    "9" * 40,
    "x" * 1000,
    "=" * 24,
    "Bearer",
    "Bearer  ",
    "bearer open-sesame",
    "Basic b3Blbg==",
    "Bearer \u00e9\u00e8",
    "\t,\t",
    ";" * 50,
    "chunked",
)
NAMES = (*GOOD, "Origin", "Cookie", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Expect")
FRAMING = ("Content-Length", "Transfer-Encoding")
TARGETS = (
    "/ws",
    "/ws/",
    "/ws?",
    f"/ws?api_key={SECRET}",
    "/ws?api_key=%",
    "/ws?api_key=%ff%00",
    "/ws?token=wrong&token=wrong",
    "/%77s",
    "/ws%2f",
    "/ws#x",
    "//ws",
    "/ws/../ws",
    "/",
    "/voices",
    "/nowhere",
    "*",
    "http://127.0.0.1/ws",
    "/" + "w" * 3000,
    "/ws?" + "a=1&" * 1000,
)


class Handshake(NamedTuple):
    """A request that may or may not become a socket."""

    data: bytes
    statuses: frozenset[int] | None
    """What it may be answered with; None: anything but a fault of the server's, or nothing."""
    then: str
    """`read` the answer, or go at once: `reset` or `leave`."""


def handshake(chance: random.Random) -> Handshake:
    """Return one of the worst ways to open a conversation."""
    kind = chance.randrange(8)
    if kind == 0:
        return Handshake(chance.randbytes(chance.choice((1, 10, 500, 5000))), None, _exit(chance))
    if kind == 1:
        return Handshake(render(GOOD.items(), chance.choice(TARGETS)), None, "read")
    if kind == 2:
        version = chance.choice(("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 ", "HTTQ/1.1", ""))
        return Handshake(render(GOOD.items(), version=version), None, _exit(chance))
    if kind == 3:
        method = chance.choice(("POST", "HEAD", "OPTIONS", "CONNECT", "get", "BREW", "PRI", ""))
        return Handshake(render(GOOD.items(), method=method), None, _exit(chance))
    if kind == 4:
        whole = render(GOOD.items())
        return Handshake(whole[: chance.randrange(1, len(whole))], None, chance.choice(EXITS[1:]))
    if kind == 5:
        tail = chance.choice((b"\x81\x85abcdfghij", b"GET / HTTP/1.1\r\n\r\n", os.linesep.encode()))
        return Handshake(render(GOOD.items()) + tail * chance.choice((1, 100)), None, "read")
    if kind == 6:
        return _without(chance)
    return _spoiled_headers(chance)


EXITS = ("read", "reset", "leave")


def _exit(chance: random.Random) -> str:
    return chance.choice(EXITS)


def _without(chance: random.Random) -> Handshake:
    missing = chance.choice(list(GOOD))
    headers = {name: value for name, value in GOOD.items() if name != missing}
    statuses = {"Host": {101, 400}, "Authorization": {401}}.get(missing, {400})
    return Handshake(render(headers.items()), frozenset(statuses), "read")


def _spoiled_headers(chance: random.Random) -> Handshake:
    headers = list(GOOD.items())
    for _ in range(chance.randint(1, 4)):
        name, value = chance.choice((*NAMES, *FRAMING)), chance.choice(VALUES)
        if chance.random() < 0.5:
            headers = [pair for pair in headers if pair[0] != name]
        headers.insert(chance.randrange(len(headers) + 1), (name, value))
    if chance.random() < 0.1:
        headers += [(f"X-{number}", "y" * 100) for number in range(chance.choice((10, 400, 2000)))]
    if chance.random() < 0.1:
        headers.append((chance.choice(("a b", "", "é", "x\x00", ":", "x\r\n y")), "z"))
    return Handshake(render(headers), None, _exit(chance))


def render(
    headers: Iterable[tuple[str, str]],
    target: str = "/ws",
    *,
    method: str = "GET",
    version: str = "HTTP/1.1",
) -> bytes:
    """Write a request."""
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", errors="replace")
