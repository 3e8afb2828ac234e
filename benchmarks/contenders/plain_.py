"""rnnkit without the workload's variant, to measure the cost of the variant."""

from dataclasses import replace

from workloads import Workload

from contenders import rnnkit_

UPDATES = rnnkit_.UPDATES


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    return rnnkit_.build(replace(workload, variant=''), threads)
