"""The machine's peak in single-precision matrix products, measured beside the contenders."""

import measure
import report
from contenders import sgemm_
from workloads import WORKLOADS

SECONDS = 0.15  # for each number of cores


class Peak:
    """GFLOP/s of a large matrix product, on one core and on all that a contender has.

    Parameters
    ----------
    level : str, optional
        The level that contenders are held to, of `measure.HELD`.

    Attributes
    ----------
    figures : dict
        For each number of cores, the GFLOP/s of each measurement.
    about : str
        What has measured them.
    """

    def __init__(self, level: str | None = None):
        self.figures: dict[int, list[float]] = {}
        self.about = ''
        anything = next(iter(WORKLOADS.values()))
        self.workers = {
            n: measure.Worker('sgemm', anything, n, **environment(n, level))
            for n in (1, measure.CORES)
        }

    def measure(self) -> None:
        """Measure once more."""
        for n, worker in self.workers.items():
            answer = worker.ask('sgemm', SECONDS)
            speed = sgemm_.FLOPS / min(answer['times']) / 1e9
            self.figures.setdefault(n, []).append(speed)
            self.about = answer['about']

    def best(self) -> dict[int, float]:
        """Return the highest GFLOP/s for each number of cores."""
        return {n: max(speeds) for n, speeds in self.figures.items()}

    def text(self) -> str:
        """Return a sentence with the figures, and the range in which they were."""
        parts = [
            f'{max(speeds):.0f} GFLOP/s on {report.cores(n)} (lowest {min(speeds):.0f})'
            for n, speeds in self.figures.items()
        ]
        return (
            f'Peak of sgemm, measured before and after each row by {self.about}: '
            f'{", ".join(parts)}.'
        )

    def stop(self) -> None:
        """End the processes."""
        for worker in self.workers.values():
            worker.stop()


def environment(threads: int, level: str | None) -> dict[str, str]:
    """Return variables that set the threads of NumPy, and its code to that of the contenders.

    What a user has set for NumPy alone does not count: the contenders do not read it.
    """
    names = ('OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'OMP_NUM_THREADS')
    held = measure.HELD.get(level or '', {}).get('OPENBLAS_CORETYPE', '')
    return {**dict.fromkeys(names, str(threads)), 'OPENBLAS_CORETYPE': held}
