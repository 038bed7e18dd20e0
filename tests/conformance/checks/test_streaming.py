from sayna.conformance.checks.streaming import *  # noqa: F403 - the checks, over every case of ours
