"""One contender in a process of its own, driven line by line by ``run.py``.

Each line on standard input is a JSON request; each gets one JSON line as its answer.
"""

import importlib
import json
import resource
import sys
import time


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
    from workloads import Workload

    name, workload, threads = sys.argv[1], Workload(**json.loads(sys.argv[2])), int(sys.argv[3])
    start = time.perf_counter()
    module = importlib.import_module(f'contenders.{name}_')
    functions = module.build(workload, threads)
    functions['step' if workload.stream else 'train']()
    first = time.perf_counter() - start
    for line in sys.stdin:
        request = json.loads(line)
        what = request['what']
        per_call = module.UPDATES if what == 'train' else 1
        times = blocks(functions[what], request['seconds'], per_call)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print('answer', json.dumps({'times': times, 'first': first, 'MiB': memory}), flush=True)


if __name__ == '__main__':
    main()
