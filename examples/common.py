"""What all examples have in common: the command line, the report and the picture.

An example has a function `main`, which trains and returns a dict of results and what to draw, and a
function `draw`, which draws it. The keyword arguments of `main` become options of its program.
"""

import argparse
import inspect
import sys
import time
from pathlib import Path

OPTIONS = {  # what most programs have; each says the rest itself
    'batch_size': 'examples in a mini-batch',
    'ensemble': 'networks whose forecasts are averaged',
    'form': dict(choices=('rnn', 'lstm', 'gru'), help='form of the recurrent layer'),
    'goal': 'stop training at this error',
    'learning_rate': 'step size of the update rule',
    'noise': 'standard deviation of the noise',
    'seed': 'random seed of the data and the initial weights',
    'size': 'number of hidden units',
    'steps': 'length of a sequence',
    'updates': 'maximum number of updates',
}
STYLE = {
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.titlelocation': 'left',
    'axes.titlesize': 'medium',
    'legend.fontsize': 'small',
    'legend.frameon': False,
    'savefig.dpi': 120,
}


def run(main, draw, report, tolerance, **helps):
    """Run a program: read its options, train, report, draw, and fail if it has not learned.

    Parameters
    ----------
    main : callable
        Returns results, a dict with ``'error'`` and ``'updates'``, and the arguments of `draw`
        after the figure; None instead of them for a process that is not to report anything.
    draw : callable
        Draws on an empty figure of matplotlib.
    report : str
        A line of text with the names of results and options in braces.
    tolerance : float or None
        The error must be below it; None where the results have a ``'tolerance'``.
    **helps : str or dict
        What each option means, or all keywords for `argparse`; `OPTIONS` has those of most.
    """
    parser = make_parser(main, tolerance, helps)
    options = vars(parser.parse_args())
    plot, tolerance = options.pop('plot'), options.pop('tolerance')
    if plot and not Path(plot).absolute().parent.is_dir():
        parser.error(f'--plot: there is no folder {Path(plot).absolute().parent}')
    start, start_cpu = time.perf_counter(), time.process_time()
    results, shown = main(**options)
    if shown is not None:
        seconds, processor = time.perf_counter() - start, time.process_time() - start_cpu
        print(f'{results["updates"]} updates; {seconds:.1f} s, {processor:.1f} s of processor time')
        print(report.format(**(options | results)))
        if plot:
            picture(plot, draw, *shown)
    if tolerance is None:
        tolerance = results['tolerance']
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error, {results["error"]:.4g}, is not below {tolerance:.4g}')


def make_parser(main, tolerance, helps):
    """Return the parser of a program, whose options are the arguments of its function `main`."""
    module = main.__globals__
    parser = argparse.ArgumentParser(description=module['__doc__'].partition('\n')[0])
    for name, parameter in inspect.signature(main).parameters.items():
        default, settings = parameter.default, (OPTIONS | helps)[name]
        settings = settings if isinstance(settings, dict) else {'help': settings}
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            parser.add_argument(name, default=default, **settings)
        else:
            add_option(parser, name, default, settings)
    help_ = 'fail if the error is not below this'
    add_option(parser, 'tolerance', tolerance, {'help': help_, 'type': float})
    plot = Path(module['__file__']).stem + '.png'
    add_option(parser, 'plot', plot, {'help': 'file for the picture', 'metavar': 'FILE'})
    parser.add_argument(
        '--no-plot', action='store_const', const='', dest='plot', help='draw no picture'
    )
    return parser


def add_option(parser, name, default, settings):
    """Add an option of the type of its default, which its help mentions."""
    flag, said = f'--{name.replace("_", "-")}', settings['help']
    if isinstance(default, bool):
        parser.add_argument(flag, action='store_true', help=said)
        return
    if default is not None:
        settings = {'type': type(default), **settings, 'help': f'{said} (default: {default})'}
    if 'choices' not in settings:
        metavar = {int: 'N', float: 'X'}.get(settings.get('type'), 'NAME')
        settings = {'metavar': metavar, **settings}
    parser.add_argument(flag, default=default, **settings)


def picture(path, draw, *shown):
    """Draw a picture into a file; say so in one line if that is impossible."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    with matplotlib.rc_context(STYLE):
        figure = Figure((8, 4), layout='constrained')
        draw(figure, *shown)
        figure.savefig(path)
    print(f'picture: {path}')


# --- parts of pictures


def legend(axes, ncols=4):
    """Name the curves between the title and the axes, where the names hide none of them."""
    named = axes.get_legend_handles_labels()[1]
    axes.legend(loc='lower left', bbox_to_anchor=(0, 1), ncols=ncols, borderaxespad=0)
    axes.set_title(axes.get_title('left'), pad=6 + 13 * -(-len(named) // ncols))


def training(axes, history, key='loss', error='mean squared error', scale=1, **levels):
    """Draw an error over updates, on training and validation data, and errors to compare with."""
    for column, color in ((key, '0.6'), (f'valid_{key}', 'tab:blue')):
        points = [
            (row['updates'], scale * row[column]) for row in history if row.get(column) is not None
        ]
        if points:
            name = 'training' if column == key else 'validation'
            axes.plot(*zip(*points, strict=True), '.-', ms=3, color=color, label=name)
    for (name, level), dash in zip(levels.items(), ('--', ':'), strict=False):
        axes.axhline(level, color='0.3', ls=dash, lw=1, label=name.replace('_', ' '))
    axes.set(xlabel='updates', ylabel=error, yscale='log', title='During training')
    legend(axes, 3)


def agreement(axes, targets, outputs, target, output, constant=None, title='New sequences'):
    """Draw outputs over targets, the line on which they agree, and the best constant output."""
    ends = [targets.min(), targets.max()]
    axes.plot(targets.ravel(), outputs.ravel(), '.', ms=3, color='tab:orange', label='network')
    axes.plot(ends, ends, color='0.3', lw=1, label='perfect')
    if constant is not None:
        axes.axhline(constant, color='0.3', ls='--', lw=1, label='constant')
    axes.set(xlabel=target, ylabel=output, title=title)
    legend(axes, 3)
