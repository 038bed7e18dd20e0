from sayna.conformance.checks.formats import *  # noqa: F403 - the checks, over every case of ours
