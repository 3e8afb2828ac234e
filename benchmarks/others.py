"""How much of the processor other programs used while a contender was measured.

The figures come from Linux's ``/proc``. Elsewhere nothing is known.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT = 0.05  # of a core; more than this disturbs a measurement
LEAST = 1.0  # seconds of watching from which a figure is known: the clock in /proc has 10 ms


class Others:
    """Seconds of processors that neither a contender nor this program used.

    The contenders that wait count as others: one that does not sleep disturbs the rest too.
    """

    def __init__(self) -> None:
        self.used = self.passed = 0.0

    @contextlib.contextmanager
    def watch(self, process: int) -> Iterator[None]:
        """Count what others use while a process is measured."""
        start, before = time.perf_counter(), foreign(process)
        yield
        after = foreign(process)
        if before is not None and after is not None:
            self.used += after - before
            self.passed += time.perf_counter() - start

    def cores(self) -> float | None:
        """Return how many cores others used, on average; nothing if it is not known."""
        return max(0.0, self.used / self.passed) if self.passed >= LEAST else None


def foreign(process: int) -> float | None:
    """Return the seconds that processors have worked, without those for us and a process."""
    try:
        total = Path('/proc/stat').read_text().splitlines()[0].split()[1:]
        ours = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, total[:8])  # without idle and iowait
    ticks = user + nice + system + irq + softirq + steal - int(ours[11]) - int(ours[12])
    return ticks / os.sysconf('SC_CLK_TCK') - time.process_time()


def warnings(results: dict[str, dict]) -> list[str]:
    """Return a sentence about the workloads that others disturbed, if there are any."""
    cores = {name: figures['rnnkit'].get('others') for name, figures in results.items()}
    busy = [f'{name} ({n:.2f})' for name, n in cores.items() if n is not None and n > LIMIT]
    if not busy:
        return []
    return [
        '**Other processes were busy**, and the figures are not to be trusted. Cores that they '
        f'used on average while a row was measured: {", ".join(busy)}.'
    ]
