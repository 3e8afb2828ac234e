"""Trainings of small networks, one after the other, whose values a whole network gets."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from rnnkit.common import progress
from rnnkit.errors import RnnkitError
from rnnkit.layers import Layer
from rnnkit.models.network import Network
from rnnkit.pretraining.settings import Settings
from rnnkit.training.history import next_number
from rnnkit.training.protocols import Monitors
from rnnkit.training.trainer import Place, Trainer


def like(layer: Layer, without: Collection[str] = (), **changes: Any) -> Layer:
    """Return a new layer with the options of one that is part of a network.

    Parameters
    ----------
    layer : Layer
    without : collection of str
        Options to leave out.
    **changes
        Keywords that are others.
    """
    size = layer.size if layer.sized else None
    given = {key: value for key, value in layer.given.items() if key not in without}
    return type(layer)(size, **{'name': layer.name, 'inputs': layer.inputs, **given, **changes})


def rebuilt(net: Network, layers: list[Layer], seed: int) -> Network:
    """Return a network of the same kind, with the same loss and settings, of other layers."""
    return type(net)(
        layers,
        loss=net.loss,
        weighted=net.weighted,
        masked=net.masked,
        layout=net.layout,
        dtype=net.dtype,
        seed=seed,
        kernel=net._kernel,
    )


@dataclass
class Stage:
    """A network that is trained for the sake of some layers of another.

    Attributes
    ----------
    name : str
        The layers that it is about: ``'hid1'``, or ``'hid1+hid2'``.
    net : Network
    pairs : list of (shared variable, shared variable)
        A parameter of `net`, and that of the whole network which it stands for.
    convert : callable
        Makes the data of the stage of those of the whole network: ``convert(data, where)``.
    """

    name: str
    net: Network
    pairs: list[tuple[Any, Any]]
    convert: Callable[[Any, str], Any] = lambda data, where: data

    def borrow(self) -> None:
        """Start from the values of the whole network."""
        for mine, whole in self.pairs:
            mine.set_value(whole.get_value())

    def give_back(self) -> None:
        """Let the whole network have the values."""
        for mine, whole in self.pairs:
            whole.set_value(mine.get_value())


class Staged:
    """Trains the stages of a network; it is used as a `Trainer` is.

    Parameters
    ----------
    settings : Settings
    net : Network
        The whole network; its history gets a record an epoch.
    stages : list of Stage
    train, valid
        Data of the whole network, as `Network.train` takes them.

    Raises
    ------
    ConfigError, ShapeError, DataError
        If an option, or the data for the first stage, are not usable.
    """

    def __init__(
        self, settings: Settings, net: Network, stages: list[Stage], train: Any, valid: Any
    ):
        self.settings, self.net, self.stages = settings, net, stages
        self.train_data, self.valid_data = train, valid
        self.keywords = settings.for_stages({stage.name: stage.net for stage in stages})
        self.training = next_number(net.history)
        self._first = self._start(0)
        self._result: tuple[Monitors, Monitors] = ({}, {})
        net.trainings += 1

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
            The monitors of the last stage: of its last epoch, and of the parameters it has left.
        """
        for _ in self.itertrain():
            pass
        return self._result

    def itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        """Train; yield the monitors of training and of the last validation, once an epoch.

        Raises
        ------
        RnnkitError
            What the training of a stage raises. The message says which stage; its best values,
            and those of the stages before, are in the network.
        """
        progress.prepare_logging()
        for number, stage in enumerate(self.stages):
            title = f'stage {number + 1} of {len(self.stages)} ({stage.name})'
            try:
                progress.say('%s', title)
                trainer = self._start(number) if number else self._first
                with closing(self._train(stage, trainer)) as epochs:
                    yield from epochs
            except RnnkitError as error:
                raise type(error)(f'{title}: {error}') from error
            except KeyboardInterrupt:  # while there was no trainer to note it
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
