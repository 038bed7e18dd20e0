from sayna.conformance.checks.failing import *  # noqa: F403 - the checks, over every case of ours
