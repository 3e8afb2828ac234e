"""One contender in a process of its own, driven line by line by ``measure.py``.

Each line on standard input is a JSON request; each gets one JSON line as its answer.
"""

import importlib
import json
import os
import resource
import sys
import time

from workloads import Workload


def blocks(function, seconds: float, per_call: int) -> list[float]:
    """Call `function` for some time; return the seconds of each of its updates."""
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        found.append((time.perf_counter() - start) / per_call)
    return found


def main() -> None:
    """Answer requests until standard input ends."""
    name, workload = sys.argv[1], Workload(**json.loads(sys.argv[2]))
    threads, n_cores = map(int, sys.argv[3:])
    if hasattr(os, 'sched_setaffinity'):  # JAX takes all cores that it can get
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
    module = importlib.import_module(name)
    functions = module.build(workload, threads)
    for line in sys.stdin:
        request = json.loads(line)
        what = request['what']
        per_call = module.UPDATES if what == 'train' else 1
        times = blocks(functions[what], request['seconds'], per_call)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print('answer', json.dumps({'times': times, 'MiB': memory}), flush=True)


if __name__ == '__main__':
    main()
