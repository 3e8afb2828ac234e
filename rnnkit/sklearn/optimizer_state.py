"""The state of the update rule, such as the momentum, from one `partial_fit` to the next."""

from rnnkit.callbacks import Callback, Training


class OptimizerState(Callback):
    """Keeps the state of the update rule between trainings, each of which would start anew."""

    prints = False

    def __init__(self) -> None:
        self.state: dict[str, object] = {}

    def on_train_begin(self, training: Training) -> None:
        """Continue where the last training ended."""
        if self.state:
            training.rule_state = self.state

    def on_train_end(self, training: Training) -> None:
        """Remember where this training ends."""
        self.state = training.rule_state
