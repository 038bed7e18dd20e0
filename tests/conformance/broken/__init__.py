"""Providers that break one rule each, and the check that must find it."""

from tests.conformance.broken import ears, providers, speakers
from tests.conformance.broken.flaws import BROKEN

__all__ = ["BROKEN", "ears", "providers", "speakers"]
