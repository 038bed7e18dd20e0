"""How the tests of the emulated Deepgram read its sockets."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import WSMsgType

LIMIT_S = 10.0
LISTEN = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000"}
SPEAK = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": "16000"}


async def read(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """Return the next message; of audio its bytes, of the end its code."""
    frame = await socket.receive(LIMIT_S)
    match frame.type:
        case WSMsgType.TEXT:
            message: dict[str, Any] = json.loads(frame.data)
            return message
        case WSMsgType.BINARY:
            return {"type": "audio", "bytes": frame.data}
        case _:
            return {"type": frame.type.name.lower(), "code": frame.data, "reason": frame.extra}


async def read_all(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Return everything up to the end, the end too."""
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] not in {"close", "closed", "error"}:
        messages.append(await read(socket))
    return messages


def short(message: Mapping[str, Any]) -> str:
    """Show results by their text and flags, everything else by its type."""
    match message:
        case {"type": "Results", "is_final": final, "speech_final": ends, "from_finalize": forced}:
            text = message["channel"]["alternatives"][0]["transcript"]
            return f"{text}{'.' * final}{'!' * ends}{'^' * forced}"
        case {"type": "close"}:
            return f"close {message['code']}"
        case _:
            return str(message["type"])


def shorts(messages: list[dict[str, Any]]) -> list[str]:
    """Show several, runs of audio once."""
    shown: list[str] = []
    for each in map(short, messages):
        if each != "audio" or shown[-1:] != ["audio"]:
            shown.append(each)
    return shown
