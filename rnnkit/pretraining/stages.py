"""Stages of layerwise training: smaller networks, trained one after the other."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass

from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit.common import progress
from rnnkit.errors import ConfigError, RnnkitError
from rnnkit.layers import Layer
from rnnkit.models.network import Network
from rnnkit.pretraining.settings import Settings
from rnnkit.training.history import next_number
from rnnkit.training.protocols import Monitors
from rnnkit.training.trainer import Place, Trainer


def like(layer: Layer, without: Collection[str] = (), **changes: object) -> Layer:
    """Return a new layer with the options of one that is part of a network.

    Parameters
    ----------
    layer : Layer
    without : collection of str
        Options to leave out.
    **changes
        Keywords to change.
    """
    size = layer.size if layer.sized else None
    given = {key: value for key, value in layer.given.items() if key not in without}
    return type(layer)(size, **{'name': layer.name, 'inputs': layer.inputs, **given, **changes})


def rebuilt(net: Network, layers: list[Layer], seed: int) -> Network:
    """Return a network of the same class, with the same loss and settings, but other layers."""
    names = net._classes.to_spec() if net._classes else None
    return type(net)(
        layers,
        loss=net.loss,
        weighted=net.weighted,
        masked=net.masked,
        layout=net.layout,
        dtype=net.dtype,
        seed=seed,
        kernel=net._kernel,
        **({'classes': names} if names else {}),
        scale_targets=net.scale_targets,
    )


@dataclass
class Stage:
    """A network that is trained to obtain the parameters of some layers of another one.

    Attributes
    ----------
    name : str
        The names of these layers: ``'hid1'``, or ``'hid1+hid2'``.
    net : Network
    pairs : list of (shared variable, shared variable)
        The parameters of `net`, each with its counterpart in the whole network.
    convert : callable
        ``convert(data, where)`` turns data of the whole network into data of the stage.
    """

    name: str
    net: Network
    pairs: list[tuple[TensorSharedVariable, TensorSharedVariable]]
    convert: Callable[[object, str], object] = lambda data, where: data

    def borrow(self) -> None:
        """Copy the parameters from the whole network."""
        for own, whole in self.pairs:
            own.set_value(whole.get_value())

    def give_back(self) -> None:
        """Copy the parameters to the whole network."""
        for own, whole in self.pairs:
            whole.set_value(own.get_value())


class Staged:
    """Trains a network in stages, with the interface of a `Trainer`.

    Parameters
    ----------
    settings : Settings
    net : Network
        The whole network; its history gets a record per epoch.
    stages : list of Stage
    train, valid
        Data of the whole network, as in `Network.train`.

    Raises
    ------
    ConfigError, ShapeError, DataError
        If an option, or the data for the first stage, is invalid.
    """

    def __init__(
        self, settings: Settings, net: Network, stages: list[Stage], train: object, valid: object
    ):
        self.settings, self.net, self.stages = settings, net, _thawed(settings.where, net, stages)
        stages = self.stages
        self.train_data, self.valid_data = train, valid
        self.keywords = settings.for_stages({stage.name: stage.net for stage in stages})
        self.training = next_number(net.history)
        self._first = self._start(0)
        self._result: tuple[Monitors, Monitors] = ({}, {})

    def _start(self, number: int) -> Trainer:
        """Return the trainer of a stage."""
        stage, where = self.stages[number], self.settings.where
        stage.borrow()
        train = stage.convert(self.train_data, 'train')
        valid = self.valid_data
        if valid is not None:
            valid = stage.convert(valid, 'valid')
        place = Place(self.net.history, self.training, stage.name)
        return stage.net._start(
            where, train, valid, self.settings.subalgo, self.keywords[number], place
        )

    def train(self) -> tuple[Monitors, Monitors]:
        """Train to the end, as `itertrain` does.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last stage: those of its last epoch, and of its final parameters.
        """
        for _ in self.itertrain():
            pass
        return self._result

    def itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        """Train; yield the monitors of training and of the last validation, once an epoch.

        Raises
        ------
        RnnkitError
            The error of a stage; the message names the stage. The network has the best parameters
            of this stage, and of those before it.
        """
        progress.prepare_logging()
        self.net._trainings += 1
        for number, stage in enumerate(self.stages):
            title = f'stage {number + 1} of {len(self.stages)} ({stage.name})'
            try:
                progress.say('%s', title)
                trainer = self._start(number) if number else self._first
                with closing(self._train(stage, trainer)) as epochs:
                    yield from epochs
            except RnnkitError as error:
                raise type(error)(f'{title}: {error}') from error
            except KeyboardInterrupt:  # outside of a trainer, which handles it itself
                progress.LOGGER.warning('training interrupted in %s', title)
                return
            self._result = trainer.result()
            if trainer.ended == 'interrupted':
                return

    def _train(self, stage: Stage, trainer: Trainer) -> Iterator[tuple[Monitors, Monitors]]:
        """Train one stage, and give its values to the network."""
        try:
            with closing(trainer.itertrain()) as epochs:
                yield from epochs
        finally:
            stage.give_back()


def _thawed(where: str, net: Network, stages: list[Stage]) -> list[Stage]:
    """Return the stages that train something, with those parameters frozen that are so in `net`."""
    kept = []
    for stage in stages:
        own = [p.name for p, whole in stage.pairs if whole.name in net.frozen]
        if stage.net is net or len(own) < len(stage.pairs):
            kept.append(stage)
            if own:
                stage.net.freeze(*own)
    if not kept:
        raise ConfigError(f'{where}: all parameters of the stages are frozen; see net.unfreeze()')
    return kept
