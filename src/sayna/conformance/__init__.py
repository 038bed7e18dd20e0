"""The suite that every speech provider must pass, for the authors of providers anywhere.

    sayna conformance NAME

runs it over an installed provider. What a name alone does not tell, a `Case` does. The checks
themselves are in `checks`; pytest runs them (`pip install 'sayna[conformance]'`).
"""

from sayna.conformance.case import Case, Fault, Hearing, Speaking

__all__ = ["Case", "Fault", "Hearing", "Speaking"]
