"""Forecast a noisy series one step ahead, with a band from the posterior of the weights.

The series is a sum of two waves with noise. A small recurrent network reads it and says at each
step what comes next. Its weights are random variables of a model of PyMC, each with a normal prior:
NUTS draws them from their posterior, beginning at those that a training has found. Each draw is a
network, and gives a forecast; the spread of these forecasts and the noise together are the band.

The second half of the series is held out. The program reports how many of its steps are in the band
of 90 %, and for comparison how many are in the band of the trained network alone, whose width is
that of the noise which the training has left; and the root mean square error of the mean forecast,
divided by that of repeating the last value. It takes one to two minutes on two cores.

PyMC needs Python 3.12 or newer: pip install 'rnnkit[pymc,plot]'
"""

import argparse
import sys

import numpy as np

import rnnkit


def noisy_waves(steps, noise, rng):
    """Return a series of shape (steps, 1, 1), of about unit variance."""
    time = np.arange(steps)
    waves = np.sin(2 * np.pi * time / 12.5) + 0.7 * np.sin(2 * np.pi * time / 31)
    return (waves + noise * rng.standard_normal(steps))[:, None, None]


def main(
    *,
    steps=240,
    noise=0.3,
    form='gru',
    size=3,
    updates=400,
    draws=500,
    tune=500,
    chains=2,
    level=0.9,
    seed=1,
    plot=None,
):
    """Train a network, draw its weights from their posterior, and judge the band.

    Returns
    -------
    results : dict
        ``'error'``, the root mean square error on the steps that are held out, divided by that of
        repeating the last value; the ``'coverage'`` of the band, and the ``'plain'`` one, that of
        the trained network; the number of ``'updates'``.
    """
    try:
        import pymc as pm

        from rnnkit.integrations.pymc import outputs, posterior_predict
    except ImportError as error:
        sys.exit(f'This example needs PyMC: {error}')
    rng = np.random.default_rng(seed)
    series = noisy_waves(steps, noise, rng)
    x, y, past = series[:-1], series[1:], steps // 2

    net = rnnkit.Regressor([1, (form, size), 1], dtype='float64', seed=seed)
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
    results = {
        'error': rms(held_out - forecasts.mean(axis=(0, 1))[past:]) / rms(held_out - x[past:]),
        'coverage': np.mean((lower[past:] <= held_out) & (held_out <= upper[past:])),
        'plain': np.mean(np.abs(held_out - trained[past:]) <= width),
        'updates': net.history[-1]['updates'],
    }
    if plot:
        draw(plot, y[:, 0, 0], forecasts.mean(axis=(0, 1))[:, 0, 0], (lower, upper), past, level)
    return results


def rms(errors):
    """Return the root mean square."""
    return np.sqrt(np.mean(errors**2))


def draw(path, series, mean, band, past, level):
    """Draw the series, the mean forecast and the band."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        print(f'no picture: {error}')
        return
    time, (lower, upper) = np.arange(1, len(series) + 1), (ends[:, 0, 0] for ends in band)
    figure = Figure(figsize=(9, 3.5), layout='constrained')
    axes = figure.subplots()
    axes.fill_between(time, lower, upper, alpha=0.3, lw=0, label=f'band of {level:.0%}')
    axes.plot(time, mean, label='mean forecast, one step ahead')
    axes.plot(time, series, 'k.', ms=4, label='series')
    axes.axvline(past + 0.5, color='gray', ls=':', label='held out from here')
    axes.set_xlabel('time step')
    axes.legend(loc='upper right', ncols=4, fontsize='small')
    low, high = min(series.min(), lower.min()), max(series.max(), upper.max())
    axes.set_ylim(low - 0.2, high + 0.25 * (high - low))  # with a place for the legend
    figure.savefig(path, dpi=120)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Forecast a noisy series with a band from the posterior of the weights.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='steps of the series; half are held out')
    option('--noise', type=float, metavar='S', help='standard deviation of the noise')
    option('--form', choices=('rnn', 'lstm', 'gru'), help='form of the recurrent layer')
    option('--size', type=int, metavar='H', help='number of its units')
    option('--updates', type=int, metavar='N', help='updates of the training before sampling')
    option('--draws', type=int, metavar='N', help='draws of each chain')
    option('--tune', type=int, metavar='N', help='steps of each chain before them')
    option('--chains', type=int, metavar='N', help='chains, each in a process of its own')
    option('--level', type=float, metavar='P', help='what the band is to contain')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.9)
    options = vars(parser.parse_args())
    tolerance, level = options.pop('tolerance'), options['level']
    results = main(**options)
    print(
        f'error: {results["error"]:.3f} times that of repeating the last value; of the steps that '
        f'were held out, {results["coverage"]:.0%} are in the band of {level:.0%}, and '
        f'{results["plain"]:.0%} in that of the trained network'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the relative error is not below {tolerance:g}')
