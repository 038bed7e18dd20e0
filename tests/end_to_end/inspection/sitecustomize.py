"""What Python runs first in a server that is watched: on SIGUSR1 it counts what lives in it.

The product knows nothing of this; `tests.end_to_end.inspected` puts the folder into its path.
"""

import asyncio
import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path


def _count(_signal: int, _frame: object) -> None:
    gc.collect()  # also brings out the complaints of what nobody has awaited
    tasks = Counter(task.get_name().rstrip("0123456789") for task in asyncio.all_tasks())
    told = Path(os.environ["CENSUS_FILE"])
    draft = told.with_suffix(".new")
    draft.write_text(json.dumps({"tasks": tasks, "objects": len(gc.get_objects())}))
    draft.replace(told)


if "CENSUS_FILE" in os.environ:
    signal.signal(signal.SIGUSR1, _count)
