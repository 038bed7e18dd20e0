from sayna.rooms.protocols import Participant, Room


def test_nobody_shares_the_attributes_of_another() -> None:
    assert Participant("a").attributes is not Participant("b").attributes


def test_what_livekit_does_not_say_is_unknown_or_nothing() -> None:
    assert (Participant("a").state, Participant("a").kind) == ("UNKNOWN", "UNKNOWN")
    assert Room("demo") == Room("demo", metadata="", max_participants=0, active_recording=False)
