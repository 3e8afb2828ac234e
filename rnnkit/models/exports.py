"""Networks for other libraries and programs: ONNX, PyTorch, Keras, C."""

from collections.abc import Mapping
from typing import Any

from rnnkit.common.calls import Abstract, checked_methods


@checked_methods
class Exports(Abstract):
    """Ways out to other libraries, and weights that come in, as a base class of `rnnkit.Network`.

    Each partner has its own module in `rnnkit.integrations`, which is imported when it is needed.
    """

    def load_draw(
        self,
        idata: Mapping[str, Any],
        chain: int | None = None,
        draw: int | None = None,
        prefix: str = '',
    ) -> list[str]:
        """Set the parameters to one draw of a posterior, or to a point, such as PyMC's MAP.

        Parameters
        ----------
        idata : DataTree, InferenceData, Dataset or dict
            What ``pm.sample()`` returned, or its group ``posterior``; arrays (chain, draw, ...) by
            the names of parameters; or a point, which has arrays of the shapes of parameters: what
            ``pm.find_MAP()`` returned. Parameters that it lacks stay as they are.
        chain, draw : int, optional
            Their numbers, from 0, or from -1 backwards; by default the first ones.
        prefix : str
            What the names of parameters begin with in the model; see
            `rnnkit.integrations.pymc.outputs`.

        Returns
        -------
        names : list of str
            The parameters that were set.

        Raises
        ------
        NotFoundError
            If there is no such chain or draw, or no parameter of this network.
        ConfigError, ShapeError, DataError
            If idata is something else, or an array is not of a parameter's shape, or not finite.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([1, 1], seed=0)
        >>> draws = {'out.b': np.arange(6.0).reshape(2, 3, 1)}  # 2 chains, 3 draws
        >>> net.load_draw(draws, chain=1, draw=-1)
        ['out.b']
        >>> net.find('out', 'b').get_value()
        array([5.], dtype=float32)
        """
        from rnnkit.integrations import draws

        return draws.load_draw(self, idata, chain, draw, prefix)
