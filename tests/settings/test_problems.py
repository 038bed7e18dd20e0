from sayna.settings.problems import Problem, Problems


def test_a_rule_keeps_silent_about_a_setting_that_is_faulty_anyway() -> None:
    problems = Problems()
    problems.refuse("auth.service_url", "auth.service_url: must be text")
    problems.add([Problem(("auth.signing_key_path", "auth.service_url"), "is missing")])
    assert problems.lines == ["auth.service_url: must be text"]


def test_a_faulty_section_silences_rules_about_everything_in_it() -> None:
    problems = Problems()
    problems.refuse("sip", "sip: must be a section")
    assert problems.spoiled("sip.room_prefix")
    assert not problems.spoiled("sipper")


def test_a_rule_about_sound_settings_is_heard() -> None:
    problems = Problems()
    problems.add([Problem(("cache.path",), "cache.path: is not a folder")])
    assert problems.lines == ["cache.path: is not a folder"]
