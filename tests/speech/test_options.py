from sayna.speech.options import RecognizerOptions, SynthesizerOptions


def test_credentials_never_show_when_options_are_printed() -> None:
    credentials = {"api_key": "very-secret"}
    assert "very-secret" not in repr(RecognizerOptions("deepgram", credentials=credentials))
    assert "very-secret" not in repr(SynthesizerOptions("deepgram", credentials=credentials))


def test_what_the_public_api_leaves_out_has_its_documented_default() -> None:
    heard, spoken = RecognizerOptions("local"), SynthesizerOptions("local")
    assert (heard.sample_rate, heard.channels, heard.encoding) == (16_000, 1, "linear16")
    assert (spoken.sample_rate, spoken.audio_format, spoken.speaking_rate) == (
        24_000,
        "linear16",
        1.0,
    )
    assert spoken.voice_id is None
