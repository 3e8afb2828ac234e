"""Pictures inside the HTML of notebooks."""

import base64
import io
from collections.abc import Mapping

import numpy as np


def gradient_flow(flow: Mapping[str, np.ndarray]) -> str:
    """Return the picture of a gradient flow as HTML, or nothing without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return ''
    from rnnkit.integrations import plots

    picture = Figure((6, 3), layout='constrained')  # pyplot, which shows its own, must not know it
    canvas = FigureCanvasAgg(picture)
    plots.gradient_flow(flow, axes=picture.subplots())
    file = io.BytesIO()
    canvas.print_png(file)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="Norm of the gradient at each time step" src="data:image/png;base64,{data}">'
