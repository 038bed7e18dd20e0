from sayna.conformance.checks.providers import *  # noqa: F403 - the checks, over every case of ours
