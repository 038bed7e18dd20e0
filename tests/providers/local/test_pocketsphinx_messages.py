import msgspec

from sayna.providers.local.model_messages import Audio, Close, Finalize, Finish, Load
from sayna.providers.local.pocketsphinx_messages import OpenEar, ToEars


def test_every_message_to_the_worker_arrives_as_it_was_sent() -> None:
    messages: list[ToEars] = [
        Load("pocketsphinx", {}, 1),
        OpenEar(7, "grammar", "demo.gram"),
        Audio(7, b"\0\1", 20.0),
        Finalize(7),
        Finish(7),
        Close(7),
    ]
    decoder = msgspec.msgpack.Decoder[ToEars](ToEars)
    assert [decoder.decode(msgspec.msgpack.encode(message)) for message in messages] == messages
