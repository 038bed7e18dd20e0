"""What the document says about answers that many routes share."""

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """What went wrong, for humans."""

    error: str = Field(examples=["Text cannot be empty"])


class CodedProblem(BaseModel):
    """What went wrong, for humans and for programs."""

    error: str = Field(examples=["Room name cannot be empty"])
    code: str = Field(examples=["INVALID_REQUEST"])


class AccessProblem(BaseModel):
    """Why the caller was not let in."""

    error: str = Field(examples=["missing_auth_header"])
    message: str = Field(examples=["Send 'Authorization: Bearer TOKEN' or ?api_key=TOKEN"])


Answers = dict[int | str, dict[str, Any]]


def answers(shape: type[BaseModel] = Problem, /, **described: str) -> Answers:
    """Describe error answers: `answers(Problem, s404="No such room")`."""
    return {
        int(status.removeprefix("s")): {"model": shape, "description": text}
        for status, text in described.items()
    }


JSON_BODY = answers(
    s400="The body is not JSON, or a value is not acceptable; `error` names it",
    s408="The body takes longer than a minute to arrive",
    s413="The body is larger than 2 MiB",
    s415="The content type is not JSON",
    s422="A field is missing or has the wrong type; `error` names it",
)
"""Every route that reads a JSON body."""
