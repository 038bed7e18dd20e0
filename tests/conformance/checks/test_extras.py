from sayna.conformance.checks.extras import *  # noqa: F403 - the checks, over every case of ours
