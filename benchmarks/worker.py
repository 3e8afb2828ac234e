"""One contender in a process of its own, which answers requests of ``measure.py``.

A request is a line of JSON on standard input, its answer a line of JSON on standard output.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable

from workloads import Workload


def blocks(function: Callable[[], object], seconds: float, per_call: int) -> list[float]:
    """Call `function` for some time; return the seconds per update of each call."""
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) / per_call)
    return times


def main() -> None:
    """Answer requests until standard input ends."""
    name, workload = sys.argv[1], Workload(**json.loads(sys.argv[2]))
    threads = int(sys.argv[3])
    if hasattr(os, 'sched_setaffinity'):  # as many cores as threads: JAX would use all cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    module = importlib.import_module(name)
    functions = module.build(workload, threads)
    for line in sys.stdin:
        request = json.loads(line)
        what = request['what']
        per_call = module.UPDATES if what == 'train' else 1
        times = blocks(functions[what], request['seconds'], per_call)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer = {'times': times, 'MiB': memory, 'about': getattr(module, 'about', str)()}
        print('answer', json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
