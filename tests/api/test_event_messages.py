import pytest

from sayna.api.event_messages import render_event
from sayna.session.events import (
    PlaybackComplete,
    Problem,
    Ready,
    SessionEvent,
    TransferProblem,
)
from sayna.speech.events import Transcript
from sayna.turns.open_turn import TurnEnd


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Ready("s", "u"), '{"type":"ready","stream_id":"s","livekit_url":"u"}'),
        (
            TurnEnd(Transcript("", True, True, 1.0), "a b"),
            (
                '{"type":"stt_result","transcript":"","is_final":true,"is_speech_final":true,'
                '"confidence":1.0,"turn_transcript":"a b"}'
            ),
        ),
        (
            Ready("s", "u", ()),
            '{"type":"ready","stream_id":"s","livekit_url":"u","events":[]}',
        ),
        (
            Transcript("hé", True, False, 0.5),
            (
                '{"type":"stt_result","transcript":"hé","is_final":true,"is_speech_final":false,'
                '"confidence":0.5}'
            ),
        ),
        (Problem('a "b"'), '{"type":"error","message":"a \\"b\\""}'),
        (TransferProblem("no"), '{"type":"sip_transfer_error","message":"no"}'),
        (PlaybackComplete(7), '{"type":"tts_playback_complete","timestamp":7}'),
    ],
)
def test_an_event_is_written_compactly_with_its_type_first(event: SessionEvent, text: str) -> None:
    assert render_event(event).decode() == text
