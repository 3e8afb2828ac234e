"""Time stamps after a series, and their place in the calendar."""

import numpy as np
import pytest

from rnnkit.forecasting.frequency import Frequency, fixed
from rnnkit.forecasting.times import Times, stamps_ahead

HOUR = fixed(np.timedelta64(1, 'h'), None)
MONTH = Frequency('month', 1, anchor='start')


def waves(shares):
    """Return a sine and a cosine of shares of a cycle."""
    angle = 2 * np.pi * np.asarray(shares, float)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def test_stamps():
    times = Times(np.datetime64('2020-01-31T22:00', 's'), HOUR, 3)
    assert times.ahead(2).tolist() == times.stamps(3, 2).tolist()
    assert times.at(0) == np.datetime64('2020-01-31T22:00')
    assert (times.text(1), times.text(2)) == ('2020-01-31 23:00', '2020-02-01')
    later = times.from_step(2, 5)
    assert (later.at(0), later.n) == (np.datetime64('2020-02-01'), 5)


def test_stamps_ahead_of_a_time_zone_are_what_clocks_show():
    frequency = fixed(np.timedelta64(1, 'h'), 'Europe/Berlin')
    times = Times(np.datetime64('2021-03-27T23:00', 's'), frequency, 1)
    assert [str(one) for one in times.ahead(2)] == ['2021-03-28T01:00:00', '2021-03-28T03:00:00']
    assert [str(one) for one in times.stamps(1, 2)] == [
        '2021-03-28T00:00:00',
        '2021-03-28T01:00:00',
    ]


def test_days_may_begin_where_clocks_change():
    start = np.datetime64('2021-03-14T05:00', 's')  # midnight in New York, before the change
    times = Times(start, fixed(np.timedelta64(1, 'D'), 'America/New_York'), 1)
    assert times.walls(0, 1) == np.datetime64('2021-03-14T00:00')
    assert times.ahead(1) == np.datetime64('2021-03-15T00:00')
    assert times.stamps(1, 1) == np.datetime64('2021-03-15T04:00')


def test_stamps_ahead_of_many_series():
    times = [Times(np.datetime64(f'2020-0{k}-01', 's'), MONTH, k) for k in (1, 2)]
    assert [str(one)[:7] for one in stamps_ahead(times, 2)] == [
        '2020-02',
        '2020-03',
        '2020-04',
        '2020-05',
    ]


def test_the_calendar_of_hours():
    times = Times(np.datetime64('2024-02-28T12:00', 's'), HOUR, 5)  # a Wednesday
    assert times.calendar_names == (
        'hour of day sin',
        'hour of day cos',
        'day of week sin',
        'day of week cos',
        'day of month sin',
        'day of month cos',
        'month of year sin',
        'month of year cos',
    )
    found = times.calendar(6, 3)  # from 18:00 on
    assert found.shape == (3, 8)
    month = 27 / 29
    np.testing.assert_allclose(found[:, :2], waves([18 / 24, 19 / 24, 20 / 24]), atol=1e-12)
    np.testing.assert_allclose(found[:, 2:4], waves([2 / 7] * 3), atol=1e-12)
    np.testing.assert_allclose(found[:, 4:6], waves([month] * 3), atol=1e-12)
    np.testing.assert_allclose(found[:, 6:], waves([(1 + month) / 12] * 3), atol=1e-12)


@pytest.mark.parametrize(
    ('frequency', 'cycles'),
    [
        (fixed(np.timedelta64(1, 's'), None), 'second minute hour day day month'),
        (fixed(np.timedelta64(1, 'm'), None), 'minute hour day day month'),
        (fixed(np.timedelta64(1, 'D'), None), 'day day month'),
        (Frequency('business', 1), 'day day month'),
        (fixed(np.timedelta64(7, 'D'), None), 'day month'),
        (fixed(np.timedelta64(14, 'D'), None), 'month'),
        (Frequency('month', 6, anchor='end'), 'month'),
        (MONTH, 'month'),
        (Frequency('month', 3, anchor='end'), 'month'),
        (Frequency('month', 12, anchor='end'), ''),
        (Frequency('integer', 1), ''),
    ],
)
def test_a_calendar_has_the_cycles_that_are_longer_than_a_step(frequency, cycles):
    integer = frequency.kind == 'integer'
    times = Times(np.int64(3) if integer else np.datetime64('2024-01-31', 's'), frequency, 4)
    assert ' '.join(name.split()[0] for name in times.calendar_names[::2]) == cycles
    found = times.calendar(0, 40)
    assert found.shape == (40, len(times.calendar_names))
    assert found.dtype == np.float64
    assert abs(found).max(initial=0) <= 1


def test_the_calendar_of_months_goes_round():
    times = Times(np.datetime64('2020-01-01', 's'), MONTH, 4)
    np.testing.assert_allclose(times.calendar(0, 24), waves(np.arange(24) / 12), atol=1e-12)


def test_the_calendar_is_that_of_the_time_zone():
    berlin = fixed(np.timedelta64(1, 'h'), 'Europe/Berlin')
    times = Times(np.datetime64('2021-07-01T22:00', 's'), berlin, 4)  # midnight in Berlin
    np.testing.assert_allclose(times.calendar(0, 2)[:, :2], waves([0, 1 / 24]), atol=1e-12)
