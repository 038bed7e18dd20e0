from sayna.conformance.checks.listening import *  # noqa: F403 - the checks, over every case of ours
