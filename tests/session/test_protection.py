from sayna.session.protection import Protection


def test_nothing_is_protected_before_anything_is_said() -> None:
    assert not Protection().blocks(0.0)


def test_protection_begins_with_the_first_audible_sample_and_ends_with_the_last() -> None:
    protection = Protection()
    protection.hand_over(10.0, 2.0, protected=True)
    protection.finish()
    assert not protection.blocks(9.9)
    assert protection.blocks(10.0)
    assert protection.blocks(11.9)
    assert protection.ends_at(11.0) == 12.0
    assert not protection.blocks(12.0)


def test_a_protected_utterance_behind_a_free_one_is_protected_when_its_turn_comes() -> None:
    protection = Protection()
    protection.hand_over(0.0, 5.0, protected=False)
    protection.finish()
    protection.hand_over(0.1, 2.0, protected=True)
    protection.finish()
    assert not protection.blocks(4.9)
    assert protection.blocks(5.0)
    assert not protection.blocks(7.0)


def test_a_free_utterance_behind_a_protected_one_does_not_lift_its_protection() -> None:
    protection = Protection()
    protection.hand_over(0.0, 2.0, protected=True)
    protection.finish()
    protection.hand_over(0.1, 3.0, protected=False)
    protection.finish()
    assert protection.blocks(1.9)
    assert not protection.blocks(2.0)


def test_while_it_is_still_being_made_a_protected_utterance_blocks_without_an_end() -> None:
    protection = Protection()
    protection.hand_over(0.0, 0.1, protected=True)
    assert protection.blocks(5.0)
    assert protection.ends_at(5.0) is None


def test_an_utterance_that_never_sounded_protects_nothing() -> None:
    protection = Protection()
    protection.finish()
    assert not protection.blocks(0.0)


def test_a_clear_ends_everything() -> None:
    protection = Protection()
    protection.hand_over(0.0, 60.0, protected=True)
    protection.reset()
    assert not protection.blocks(1.0)
    protection.hand_over(1.0, 1.0, protected=True)
    protection.finish()
    assert protection.ends_at(1.5) == 2.0


def test_whoever_watches_hears_of_every_end() -> None:
    moves: list[str] = []
    protection = Protection()
    protection.watch(lambda: moves.append("moved"))
    protection.hand_over(0.0, 1.0, protected=True)
    assert moves == []
    protection.finish()
    protection.finish()
    protection.reset()
    assert moves == ["moved", "moved"]


def test_utterances_that_follow_each_other_without_a_gap_are_one_stretch() -> None:
    protection = Protection()
    for _ in range(1000):
        protection.hand_over(0.0, 1.0, protected=True)
        protection.finish()
    assert len(protection._stretches) == 1
    assert protection.ends_at(0.5) == 1000.0
    assert protection.blocks(999.9)
    assert not protection.blocks(1000.0)


def test_what_may_be_interrupted_between_two_utterances_keeps_them_apart() -> None:
    protection = Protection()
    for protected in (True, False, True):
        protection.hand_over(0.0, 1.0, protected=protected)
        protection.finish()
    assert [protection.blocks(at) for at in (0.5, 1.5, 2.5, 3.0)] == [True, False, True, False]
