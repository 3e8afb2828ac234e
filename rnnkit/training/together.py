"""A training that several processes make ready together."""

from typing import Any

import pytensor

from rnnkit.common.spelling import brief
from rnnkit.data.border import Border
from rnnkit.errors import ConfigError, RnnkitError
from rnnkit.parallel import Team
from rnnkit.training import agreement
from rnnkit.training.checkpoints import plain, settings
from rnnkit.training.options import TrainingConfig
from rnnkit.training.protocols import Batch
from rnnkit.training.trainer import Trainer

# Options that the first process alone needs, and those of which it is enough that all have some.
OWN = ('callbacks', 'progress', 'verbose', 'comm', 'checkpoint', 'resume')
OTHER = ('seed', 'columns')  # parts of a spec that may differ
PATHS = ('checkpoint', 'resume')
DATA = 'the shapes of the data'


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


def agree(net: Any, config: TrainingConfig, team: Team) -> None:
    """Make sure that all processes train the same network by the same options.

    Called before anything else is said: what that is depends on the options.

    Raises
    ------
    ConfigError
        In all processes, if something differs.
    """
    if team.size == 1:
        return
    options = {name: value for name, value in vars(config.options).items() if name not in OWN}
    agreement.check(
        config.where,
        team,
        {
            **agreement.VERSIONS,
            'the call': config.where,
            'the network': _spec(net),
            'the parameters': [
                [p.name, *p.get_value(borrow=True).shape, p.dtype] for p in net.params
            ],
            'algo': config.algo,
            **plain({**options, **config.rule.switched, **config.hyperparameters, **config.terms}),
            **{name: vars(config.options)[name] and 'a path' for name in PATHS},
        },
    )


def _spec(net: Any) -> object:
    """Return a description of a network, without its seed, which only the first one uses."""
    try:
        return plain({name: part for name, part in net.to_spec().items() if name not in OTHER})
    except RnnkitError:  # of a function, which no file can hold
        return [brief(layer) for layer in net.layers]


def join(net: Any, border: Border, trainer: Trainer, config: TrainingConfig) -> None:
    """Make sure that all processes have data of the same kind, and connect their updates.

    Raises
    ------
    ConfigError
        In all processes, if something differs.
    """
    team, first = trainer.team, border.fields[0]

    def count(batch: Batch) -> int:
        return batch[0].shape[first.batch_axis]

    facts = {
        'the classes': None if net._classes is None else plain(net._classes.names),
        DATA: settings(config, trainer.batches)[DATA],
        'the number of batches': getattr(trainer.batches, 'n_batches', None),
        'validation data': trainer.validation.held_out,
    }
    if config.options.shard:
        del facts[DATA]  # each has other data; but how many batches there are must agree
    agreement.check(config.where, team, facts)
    trainer.step.join(team, count)
