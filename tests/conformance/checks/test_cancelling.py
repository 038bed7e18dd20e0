from sayna.conformance.checks.cancelling import *  # noqa: F403 - the checks, over every case of ours
