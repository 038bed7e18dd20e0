"""Flaws: which check must find which broken provider. Importing the three modules fills it."""

from tests.conformance.reference import Ear, Reference, Speaker

BROKEN: dict[str, tuple[str, type[Reference]]] = {}
"""By the name of the flaw: the check that must find it, and the provider."""


def breaks(check: str) -> "Breaks":
    """Register a provider, or a speaker or an ear of one, as breaking what a check checks."""
    return Breaks(f"test_{check}")


class Breaks:
    """A decorator of classes."""

    def __init__(self, check: str) -> None:
        self.check = check

    def __call__(self, flawed: type[Reference] | type[Speaker] | type[Ear]) -> None:
        parts: dict[str, object] = {}
        if issubclass(flawed, Speaker):
            parts["speaker"] = flawed
        elif issubclass(flawed, Ear):
            parts["ear"] = flawed
        provider = flawed if issubclass(flawed, Reference) else Reference
        BROKEN[flawed.__name__] = self.check, type(flawed.__name__, (provider,), parts)
