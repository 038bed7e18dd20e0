from sayna.conformance.checks.speaking import *  # noqa: F403 - the checks, over every case of ours
