from sayna.api.answers import JSON_BODY, CodedProblem, Problem, answers


def test_each_described_status_becomes_an_answer_of_that_shape() -> None:
    described = answers(CodedProblem, s404="Gone", s500="Broken")
    assert described[404] == {"model": CodedProblem, "description": "Gone"}
    assert set(described) == {404, 500}


def test_routes_with_a_json_body_share_refusals() -> None:
    assert set(JSON_BODY) == {400, 408, 413, 415, 422}
    assert all(entry["model"] is Problem for entry in JSON_BODY.values())
