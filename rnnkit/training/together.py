"""A training that several processes make ready together."""

from typing import Any

import pytensor

from rnnkit.common.spelling import brief
from rnnkit.data.border import Border
from rnnkit.errors import ConfigError
from rnnkit.training import agreement
from rnnkit.training.checkpoints import plain, settings
from rnnkit.training.options import TrainingConfig
from rnnkit.training.protocols import Batch
from rnnkit.training.trainer import Trainer

FREE = ('epochs', 'patience', 'restore_best', 'shard')  # not among the settings of a checkpoint


def check(config: TrainingConfig) -> None:
    """Raise a ConfigError if updates by this rule, or on this backend, cannot be shared.

    Raised for a single process, too: a program that is tried on one is meant for several.
    """
    where, rule = config.where, config.rule
    if config.options.comm is None:
        return
    if rule.full_batch or 'curvature' in rule.reads:
        raise ConfigError(
            f'{where}: comm cannot be used with algo {config.algo!r}, whose updates need more than '
            f"the gradient of a batch; choose another one, such as algo='adam'"
        )
    mode = str(pytensor.config.mode)
    if 'JAX' in mode.upper():
        raise ConfigError(
            f'{where}: comm is for kernels on CPUs; PyTensor compiles for {mode}: leave comm out, '
            f'or set pytensor.config.mode to another backend'
        )


def join(net: Any, border: Border, trainer: Trainer, config: TrainingConfig) -> None:
    """Make sure that all processes are about to do the same, and connect their updates.

    Raises
    ------
    ConfigError
        In all processes, if the network, an option, the data or a version is another one in one of
        them.
    """
    team, first = trainer.team, border.fields[0]

    def count(batch: Batch) -> int:
        return batch[0].shape[first.batch_axis]

    agreement.check(config.where, team, _facts(net, trainer, config))
    trainer.step.join(team, count)


def _facts(net: Any, trainer: Trainer, config: TrainingConfig) -> dict[str, Any]:
    own, options = settings(config, trainer.batches, trainer.team), vars(config.options)
    return {
        **agreement.VERSIONS,
        'the layers': [brief(layer) for layer in net.layers],
        'the parameters': [[p.name, *p.get_value(borrow=True).shape, p.dtype] for p in net.params],
        'the classes': None if net._classes is None else plain(net._classes.names),
        **{name: plain(options[name]) for name in FREE},
        **own,
        'checkpoint': options['checkpoint'] is not None,
        'the number of batches': getattr(trainer.batches, 'n_batches', None),
        'validation data': trainer.validation.held_out,
    }
