"""The library is loaded in a process of its own, here as in service."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("espeakng_loader")

PATIENCE_S = 60
SCRIPT = """
import json
from sayna.providers.local.espeak_library import Espeak, EspeakFailed

engine = Espeak()
voices = list(engine.voices())
text = "Hello there, how are you today?"

def said(voice, speed, stop_after=None, pause=False):
    chunks = []
    def take(audio):
        chunks.append(len(audio))
        return stop_after is None or len(chunks) < stop_after
    engine.say(text, voice, speed, take, pause=pause)
    return chunks

try:
    said("no/such", 175)
    refused = False
except EspeakFailed:
    refused = True
print(json.dumps({
    "rate": engine.sample_rate,
    "american": [v.languages for v in voices if v.identifier == "gmw/en-US"],
    "variants": [v.identifier for v in voices if not v.languages],
    "usual": said("gmw/en-US", 175),
    "fast": sum(said("gmw/en-US", 350)),
    "paused": sum(said("gmw/en-US", 175, pause=True)),
    "stopped": said("gmw/en-US", 175, stop_after=2),
    "refused": refused,
}))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own text
        [sys.executable, "-c", SCRIPT],
        capture_output=True, check=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def numbers(told: dict[str, object], name: str) -> list[int]:
    chunks = told[name]
    assert isinstance(chunks, list)
    return chunks


def total(told: dict[str, object], name: str) -> int:
    size = told[name]
    assert isinstance(size, int)
    return size


def test_the_engine_speaks_at_its_own_rate(told: dict[str, object]) -> None:
    assert told["rate"] == 22_050


def test_voices_and_variants_are_listed(told: dict[str, object]) -> None:
    assert told["american"] == [[["en-us", 2], ["en", 3]]]
    variants = told["variants"]
    assert isinstance(variants, list)
    assert {"f3", "m3", "klatt4"} <= set(variants)


def test_sound_comes_in_pieces_of_sixty_milliseconds(told: dict[str, object]) -> None:
    usual = numbers(told, "usual")
    assert len(usual) > 10
    assert max(usual) <= 2_648


def test_speed_and_pauses_are_heard(told: dict[str, object]) -> None:
    usual = sum(numbers(told, "usual"))
    assert total(told, "fast") < 0.6 * usual
    assert total(told, "paused") > usual + 5_000


def test_whoever_takes_the_sound_can_stop_it(told: dict[str, object]) -> None:
    assert len(numbers(told, "stopped")) == 2


def test_a_voice_that_cannot_be_loaded_is_refused(told: dict[str, object]) -> None:
    assert told["refused"] is True
