"""
Forecast a series
=================

A `rnnkit.Forecaster` learns from the past of a time series and forecasts what follows, with
intervals. The series may be an array, a pandas Series, a frame, or many of them:
"""

import matplotlib.pyplot as plt
import pandas as pd

import rnnkit

months = pd.period_range('1949-01', periods=144, freq='M')
series = pd.Series(rnnkit.datasets.airline_passengers(), months, name='passengers')
past, last_year = series[:-12], series[-12:]

forecaster = rnnkit.Forecaster(horizon=12, season=12, seed=0)
forecaster.fit(past)
figure = forecaster.plot(truth=last_year)
figure.axes[0].set(xlabel='month', ylabel='passengers (thousands)')
plt.show()

# %%
# ``horizon`` is the number of steps to forecast, and ``season`` the number of steps after which
# the series repeats: 12 for monthly values, 24 for hourly ones. Everything else is chosen from
# the data. The last year, drawn with dots, is a test set: the network was not trained on it.
#
# A forecast has the form of the series:

forecast = forecaster.forecast(level=80)
forecast.head(3).round()

# %%
# Repeating the last season costs nothing and is hard to beat. These are the mean absolute errors
# of the year that was held out, in thousands of passengers:

error = abs(forecast['forecast'] - last_year).mean()
repeated = abs(past[-12:].to_numpy() - last_year).mean()
print(f'network {error:.1f}, repeating the last season {repeated:.1f}')

# %%
# One year may be luck. A **backtest** trains again, without the end of the series, and forecasts
# what was left out: here the four years before the last one.

backtest = forecaster.backtest(windows=4)
backtest

# %%
# Many series at once
# -------------------
# A dict, a list or a frame of series trains one network, which learns what they have in common.
# So each needs less history. Here are fifty shops with the sales of four years:

import numpy as np

rng = np.random.default_rng(0)
t = np.arange(48)
shops = {}
for k in range(1, 51):
    growth = 1 + rng.uniform(-0.01, 0.02) * t
    season = 1 + 0.5 * np.sin(2 * np.pi * t / 12) ** 3
    noise = rng.lognormal(0, 0.05, 48)
    shops[f'shop {k}'] = rng.uniform(20, 900) * growth * season * noise

chain = rnnkit.Forecaster(horizon=6, season=12, seed=0).fit(shops)
chain.backtest()

# %%
# ``forecast`` returns a dict, too, and ``plot`` draws some of the series:

figure = chain.plot(ids=['shop 7', 'shop 8'])
for ax in figure.axes:
    ax.set(xlabel='month', ylabel='sales (units)')
plt.show()

# %%
# A network of your own
# ---------------------
# Windows of a series turn the forecast into a regression, for a network that you design.
# `rnnkit.windows.of` cuts what the network reads, and what follows. This one reads the growth
# over a year, in logarithms, so that neither the level nor the season is left to learn:

growth = np.log(past.to_numpy()[12:] / past.to_numpy()[:-12])
train, valid = rnnkit.windows.of(growth, past=12, future=12).split(0.2)

net = rnnkit.Regressor([1, 'standardize', ('gru', 16), 'last', 12], seed=0)
net.train(train.arrays('direct'), valid.arrays('direct'))

latest = rnnkit.windows.last(growth, past=12)
own = past[-12:].to_numpy() * np.exp(net.predict(latest.x)[0])
print(f'mean absolute error of the last year: {abs(own - last_year).mean():.1f}')

# %%
# Next
# ----
# - :doc:`/forecast`: every form of series, prices and holidays as inputs, quantiles, paths, new
#   values as they come, sktime, and when *not* to use a network;
# - :ref:`windows`, for networks of your own;
# - the reference of `rnnkit.Forecaster`.
