from tests.api.asgi import open_client
from tests.fakes.scripted import ScriptedProvider

FIELDS = {"id", "name", "language", "accent", "gender", "sample"}


async def test_voices_are_listed_by_provider() -> None:
    providers = [ScriptedProvider("one", voice_ids=["a", "b"]), ScriptedProvider("two")]
    async with open_client(providers=providers) as client:
        answer = await client.ask("GET", "/voices?provider=ignored")
    assert answer.status == 200
    assert [voice["id"] for voice in answer.json["one"]] == ["a", "b"]
    assert set(answer.json["one"][0]) == FIELDS


async def test_voices_are_one_list_when_asked_so() -> None:
    providers = [ScriptedProvider("one", voice_ids=["a"]), ScriptedProvider("two", voice_ids=["b"])]
    async with open_client(providers=providers) as client:
        voices = (await client.ask("GET", "/voices?flat=true")).json["voices"]
        assert "voices" not in (await client.ask("GET", "/voices?flat=false")).json
    assert [(voice["provider"], voice["id"]) for voice in voices] == [("one", "a"), ("two", "b")]
    assert set(voices[0]) == FIELDS | {"provider"}


async def test_no_provider_is_an_empty_answer() -> None:
    async with open_client(providers=[]) as client:
        answer = await client.ask("GET", "/voices")
    assert answer.body == b"{}"
