"""Rules: whom they match, how often, and what they may say."""

from typing import Any

import pytest

from tests.emulators.rules import (
    Asked,
    Chunk,
    Duplicate,
    FirstByte,
    Hang,
    Quota,
    Refuse,
    Reject,
    Rules,
    cut_at,
    parse_rule,
)

ASKED = Asked("/v1/listen", "k", {"model": "nova-3"}, '{"text":"hello"}')


@pytest.mark.parametrize(
    ("match", "is_meant"),
    [
        ({}, True),
        ({"path": "/v1/listen"}, True),
        ({"path": "/v1/speak"}, False),
        ({"key": "k"}, True),
        ({"key": "other"}, False),
        ({"query": {"model": "nova-3"}}, True),
        ({"query": {"model": "nova-2"}}, False),
        ({"query": {"absent": ""}}, False),
        ({"text": "hello"}, True),
        ({"text": "bye"}, False),
        ({"path": "/v1/listen", "key": "other"}, False),
    ],
)
def test_a_rule_is_for_whoever_matches_all_of_it(match: dict[str, Any], is_meant: bool) -> None:
    rules = Rules()
    rules.add(Refuse(), **match)
    assert bool(rules.take(ASKED).actions) == is_meant


def test_rules_are_used_up_in_order() -> None:
    rules = Rules()
    rules.add(Reject(status=500), times=2)
    rules.add(Reject(status=429))
    statuses = [(rules.take(ASKED).of(Reject) or Reject(status=0)).status for _ in range(4)]
    assert statuses == [500, 500, 429, 0]
    assert rules.unused == []


def test_a_rule_without_end_stays() -> None:
    rules = Rules()
    rules.add(Refuse(), times=None)
    assert all(rules.take(ASKED).of(Refuse) for _ in range(5))
    assert rules.unused == []


def test_only_the_nth_request_that_matches_is_meant() -> None:
    rules = Rules()
    rules.add(Refuse(), path="/v1/listen", nth=2)
    hits = [bool(rules.take(asked).actions) for asked in (ASKED, Asked("/other"), ASKED, ASKED)]
    assert hits == [False, False, True, False]


def test_a_rule_that_came_to_nothing_is_told() -> None:
    rules = Rules()
    rules.add(Refuse(), path="/nowhere")
    rules.take(ASKED)
    assert [rule.match.path for rule in rules.unused] == ["/nowhere"]
    rules.clear()
    assert rules.unused == []


def test_a_plan_finds_its_actions() -> None:
    rules = Rules()
    rules.add(FirstByte(ms=5), Hang(messages=1), Quota(n=1, what="flush"), Duplicate())
    plan = rules.take(ASKED)
    assert plan.of(FirstByte) == FirstByte(ms=5)
    assert plan.of(Chunk) is None
    assert plan.later() == [Hang(messages=1)]
    assert plan.quota("flush", Quota(n=20)).n == 1
    assert plan.quota("contexts", Quota(n=5)).n == 5


def test_a_rule_is_read_from_json() -> None:
    rule = parse_rule(b'{"match":{"path":"/x"},"action":{"do":"reject","status":503},"times":3}')
    assert (rule.match.path, rule.action, rule.times) == ("/x", [Reject(status=503)], 3)
    several = parse_rule(b'{"action":[{"do":"ttfb","ms":1},{"do":"hang"}]}')
    assert several.action == [FirstByte(ms=1), Hang()]
    assert several.times == 1


EVERY_ACTION = [
    '{"do":"reject","status":401,"body":{"a":1},"headers":{"x":"y"}}',
    '{"do":"refuse"}',
    '{"do":"stall_handshake","ms":10}',
    '{"do":"ready_delay","ms":10}',
    '{"do":"ttfb","ms":10}',
    '{"do":"chunk","bytes":100,"gap_ms":5,"jitter_ms":2,"odd":true}',
    '{"do":"speed","x":0.5}',
    '{"do":"drop_after","bytes":1000,"mode":"close","code":1011,"reason":"r"}',
    '{"do":"drop_after","messages":2,"of":"received","mode":"half-open"}',
    '{"do":"hang","ms":100}',
    '{"do":"error_msg","body":{"type":"Error"},"fatal":false}',
    '{"do":"malformed","kind":"non_utf8"}',
    '{"do":"dup","n":2}',
    '{"do":"reorder","n":1}',
    '{"do":"idle_close","s":1}',
    '{"do":"max_session","s":300}',
    '{"do":"quota","n":5,"window_s":60,"what":"contexts"}',
    '{"do":"expire_token"}',
]


@pytest.mark.parametrize("action", EVERY_ACTION)
def test_every_action_can_be_posted(action: str) -> None:
    assert len(parse_rule(f'{{"action":{action}}}'.encode()).action) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "object"),
        (b"[]", "object"),
        (b"{}", "action"),
        (b'{"action":{"do":"dance"}}', "dance"),
        (b'{"action":{"do":"ttfb"}}', "ms"),
        (b'{"action":{"do":"ttfb","ms":"soon"}}', "ms"),
        (b'{"action":{"do":"refuse","hard":true}}', "hard"),
        (b'{"action":[],"match":{"pth":"/"}}', "pth"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_rule(body)


def test_audio_is_cut_where_something_is_to_happen() -> None:
    ahead = [Hang(bytes=105), Hang(bytes=103), Hang(bytes=500), Hang(bytes=104, of="received")]
    assert cut_at(b"abcdefgh", 100, ahead) == [b"abc", b"de", b"fgh"]
    assert cut_at(b"abc", 0, []) == [b"abc"]
    assert cut_at(b"", 0, ahead) == [b""]
