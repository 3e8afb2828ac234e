"""Forecast a noisy series one step ahead, with a band from the posterior of the weights.

Copy this to put a network into a model of PyMC, and to get a band that knows how sure its weights
are.

The series is a sum of two waves with noise. A small recurrent network says at each step what comes
next. Its weights have normal priors: NUTS draws them from their posterior, beginning at those that
a training has found. Each draw is a network, and gives a forecast; the spread of these forecasts
and the noise together are the band.

The second half of the series is held out. The error is the root mean square error of the mean
forecast there, divided by that of repeating the last value. The program also reports how many steps
are in the band of 90 %, and how many in that of the trained network alone, whose width is the noise
which the training has left.

PyMC needs Python 3.12 or newer: pip install 'rnnkit[pymc,plot]'
"""

import sys

import common
import numpy as np

import rnnkit


def main(
    *, steps=240, noise=0.3, size=3, updates=400, draws=500, tune=500, chains=2, level=0.9, seed=1
):
    """Train a network, draw its weights from their posterior, and judge the band."""
    try:
        import pymc as pm

        from rnnkit.integrations.pymc import outputs, posterior_predict
    except ImportError as error:
        sys.exit(f'This example needs PyMC: {error}')
    rng = np.random.default_rng(seed)
    series = noisy_waves(steps, noise, rng)
    x, y, past = series[:-1], series[1:], steps // 2

    net = rnnkit.Regressor([1, ('gru', size), 1], dtype='float64', seed=seed)
    net.train([x[:past], y[:past]], algo='adam', learning_rate=0.02, epochs=updates, progress=False)
    trained = net.predict(x)
    left = np.std(y[:past] - trained[:past])

    with pm.Model():
        mean = outputs(net, x[:past])['out:out']
        sigma = pm.HalfNormal('sigma', 1, initval=left)
        pm.Normal('y', mean, sigma, observed=y[:past])
        idata = pm.sample(
            draws,
            tune=tune,
            chains=chains,
            cores=chains,
            nuts_sampler='pymc',
            init='adapt_diag',  # begin at the trained weights, and not beside them
            target_accept=0.9,
            random_seed=seed,
            progressbar=sys.stdout.isatty(),
        )
    forecasts = posterior_predict(net, idata, x)  # (chain, draw, T, 1, 1)
    sigmas = idata.posterior['sigma'].values[:, :, None, None, None]
    values = forecasts + sigmas * rng.standard_normal(forecasts.shape)
    ends = [(1 - level) / 2, (1 + level) / 2]
    lower, upper = np.quantile(values, ends, axis=(0, 1))
    width = left * np.quantile(np.abs(rng.standard_normal(100_000)), level)

    held_out = y[past:]
    mean = forecasts.mean(axis=(0, 1))
    results = {
        'error': rms(held_out - mean[past:]) / rms(held_out - x[past:]),
        'coverage': np.mean((lower[past:] <= held_out) & (held_out <= upper[past:])),
        'plain': np.mean(np.abs(held_out - trained[past:]) <= width),
        'updates': net.history[-1]['updates'],
    }
    shown = (line[:, 0, 0] for line in (y, mean, lower, upper))
    return results, (*shown, past, level)


def noisy_waves(steps, noise, rng):
    """Return a series of shape (steps, 1, 1), of about unit variance."""
    time = np.arange(steps)
    waves = np.sin(2 * np.pi * time / 12.5) + 0.7 * np.sin(2 * np.pi * time / 31)
    return (waves + noise * rng.standard_normal(steps))[:, None, None]


def rms(errors):
    """Return the root mean square."""
    return np.sqrt(np.mean(errors**2))


def draw(figure, series, mean, lower, upper, past, level):
    """Draw the series, the mean forecast and the band."""
    axes, time = figure.subplots(), np.arange(1, len(series) + 1)
    axes.fill_between(time, lower, upper, alpha=0.3, lw=0, label=f'band of {level:.0%}')
    axes.plot(time, mean, label='mean forecast, one step ahead')
    axes.plot(time, series, 'k.', ms=4, label='series')
    axes.axvline(past + 0.5, color='0.3', ls=':', label='held out from here')
    axes.set(xlabel='time step', ylabel='value', title='A band from the posterior of the weights')
    common.legend(axes)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'error: {error:.3f} times that of repeating the last value; of the steps that were '
            'held out, {coverage:.0%} are in the band of {level:.0%}, and {plain:.0%} in that of '
            'the trained network'
        ),
        tolerance=0.9,
        steps='steps of the series; half are held out',
        updates='updates of the training before sampling',
        draws='draws of each chain',
        tune='steps of each chain before them',
        chains='chains, each in a process of its own',
        level='what the band is to contain',
    )
