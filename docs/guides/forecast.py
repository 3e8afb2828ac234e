"""
Forecast a series
=================

A `rnnkit.Forecaster` learns from a series and continues it.
"""

import rnnkit

series = rnnkit.datasets.airline_passengers()
forecaster = rnnkit.Forecaster(horizon=12, season=12, ensemble=1, seed=0)
forecaster.fit(series[:-12])

# %%
# The last year was held out.

forecaster.plot(truth=series[-12:])
