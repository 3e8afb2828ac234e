"""Frequencies: those that pandas knows, found in time stamps, and what comes next."""

import numpy as np
import pytest

from rnnkit.errors import DataError
from rnnkit.forecasting import zones
from rnnkit.forecasting.find_frequency import Stamps, find
from rnnkit.forecasting.frequency import Frequency, fixed
from rnnkit.forecasting.frequency_names import alias, every, of_name
from rnnkit.forecasting.zones import text_of

pd = pytest.importorskip('pandas')

NAMES = {
    'h': '1 hour',
    '15min': '15 minutes',
    '36h': '36 hours',
    'D': '1 day',
    '2D': '2 days',
    'W-SUN': '1 week',
    'W-WED': '1 week',
    'B': '1 business day',
    'MS': '1 month',
    'ME': '1 month',
    'BMS': '1 month',
    'BME': '1 month',
    '2MS': '2 months',
    'QS-FEB': '3 months',
    'QE': '3 months',
    'YS': '1 year',
    'YE-MAR': '1 year',
}


def stamps_of(*series, zone=None):
    """Return time stamps of several series, called a, b..."""
    values = [np.asarray(one) for one in series]
    begins = np.cumsum([0, *map(len, values)])
    return Stamps(
        np.concatenate(values),
        begins,
        zone,
        'abcdefgh'.__getitem__,
        lambda k: ('sorted(y)', lambda frequency: f'fill({alias(frequency)})'),
    )


def days(*texts):
    return np.array(texts, 'M8[us]')


@pytest.mark.parametrize('zone', [None, 'Europe/Berlin', 'America/New_York', 'UTC+05:30'])
@pytest.mark.parametrize('name', NAMES)
def test_what_comes_next_is_what_pandas_says(name, zone):
    index = pd.date_range('1996-10-11 06:00', periods=40, freq=name, tz=zone)
    utc = index.to_numpy(dtype='M8[us]')
    found = find('fit()', stamps_of(utc[:30], zone=zone), None)
    assert str(found) == NAMES[name]
    assert (found.at(utc[29], np.arange(1, 11)) == utc[30:]).all()
    assert (found.at(utc[29], -np.arange(30)) == utc[29::-1]).all()
    named = of_name(index.freqstr, zone)
    assert (named.at(utc[0], np.arange(40)) == utc).all()
    assert named == found


@pytest.mark.parametrize('name', ['SMS', 'WOM-3FRI', 'BQE-NOV'])
def test_a_frequency_that_only_pandas_knows_is_left_to_it(name):
    index = pd.date_range('2020-01-01', periods=12, freq=name)
    values = index.to_numpy(dtype='M8[us]')
    found = of_name(index.freqstr, None)
    assert (found.at(values[[0, 3]][:, None], np.arange(5)) == [values[:5], values[3:8]]).all()


def test_24_hours_are_not_a_day_where_clocks_change():
    index = pd.date_range('2021-03-20', periods=20, freq='24h', tz='Europe/Berlin')
    utc = index.to_numpy(dtype='M8[us]')
    found = find('fit()', stamps_of(utc[:15], zone='Europe/Berlin'), None)
    assert str(found) == '24 hours'
    assert (found.at(utc[14], np.arange(1, 6)) == utc[15:]).all()


def test_a_short_month_is_told_from_four_weeks():
    assert str(find('', stamps_of(days('2021-02-01', '2021-03-01')), None)) == '1 month'
    assert str(find('', stamps_of(days('2021-02-02', '2021-03-02', '2021-03-30')), None)) == (
        '4 weeks'
    )
    assert str(find('', stamps_of(days('2021-07-01', '2021-08-01', '2021-09-01')), None)) == (
        '1 month'
    )


def test_days_of_one_week_are_not_business_days_before_a_weekend_is_left_out():
    week = days('2024-01-01', '2024-01-02', '2024-01-03', '2024-01-04', '2024-01-05')
    assert str(find('', stamps_of(week), None)) == '1 day'
    assert str(find('', stamps_of([*week, np.datetime64('2024-01-08', 'us')]), None)) == (
        '1 business day'
    )


def test_the_last_days_of_months_and_of_business_months_are_told_apart_by_one_of_them():
    # The last days of July and August 2020 are on a Friday and on a Monday.
    found = find('', stamps_of(days('2020-07-31', '2020-08-31', '2020-09-30')), None)
    assert found.anchor == 'end'
    found = find('', stamps_of(days('2020-08-31', '2020-09-30', '2020-10-30')), None)
    assert found.anchor == 'business end'


def test_integers_have_a_step():
    found = find('', stamps_of(np.array([3, 5, 7]), np.array([10])), None)
    assert found == Frequency('integer', 2)
    assert found.at(np.array(10), np.arange(3)).tolist() == [10, 12, 14]
    assert str(found) == '2'


def test_a_series_of_one_row_has_the_frequency_of_the_others():
    found = find('', stamps_of(days('2020-01-01'), days('2020-01-01', '2020-01-02')), None)
    assert found == fixed(np.timedelta64(1, 'D'), None)


WRONG = {
    'gap': (
        [days('2020-01-01', '2020-01-02', '2020-01-04', '2020-01-05')],
        'fit(): a has a gap in its time stamps: 2020-01-02 is followed by 2020-01-04, not by '
        '2020-01-03 (the step is 1 day); insert the missing rows, with NaN as the value, such as '
        'by fill(D)',
    ),
    'gap in months': (
        [days('2020-01-31', '2020-02-29', '2020-03-31', '2020-05-31')],
        'fit(): a has a gap in its time stamps: 2020-03-31 is followed by 2020-05-31, not by '
        '2020-04-30 (the step is 1 month); insert the missing rows, with NaN as the value, such '
        'as by fill(ME)',
    ),
    'holiday': (
        [days('2024-01-04', '2024-01-05', '2024-01-08', '2024-01-10', '2024-01-11', '2024-01-12')],
        'fit(): a has a gap in its time stamps: 2024-01-08 is followed by 2024-01-10, not by '
        '2024-01-09 (the step is 1 business day); insert the missing rows, with NaN as the value, '
        'such as by fill(B)',
    ),
    'integers': (
        [np.array([1, 2, 3, 5])],
        'fit(): a has a gap in its time stamps: 3 is followed by 5, not by 4 (the step is 1); '
        'insert the missing rows, with NaN as the value, such as by fill(None)',
    ),
    'twice': (
        [days('2020-01-01', '2020-01-02'), days('2020-01-01', '2020-01-02', '2020-01-02')],
        'fit(): b has 2 rows at 2020-01-02; there must be one row for each time',
    ),
    'twice and apart': (
        [days('2020-01-02', '2020-01-01', '2020-01-02')],
        'fit(): a has 2 rows at 2020-01-02; there must be one row for each time',
    ),
    'unsorted': (
        [days('2020-01-01', '2020-01-03', '2020-01-02')],
        'fit(): the rows of a are not sorted by time: 2020-01-02 comes after 2020-01-03; sort '
        'them by sorted(y)',
    ),
    'mixed': (
        [days('2020-01-01', '2020-01-02', '2020-01-03'), days('2020-01', '2020-02', '2020-03')],
        'fit(): b has a step of 1 month between its time stamps, other series one of 1 day; all '
        'must have the same frequency',
    ),
    'single': (
        [days('2020-01-01'), days('2020-01-02')],
        'fit(): the frequency of the time stamps is unknown, because no series has two rows; pass '
        'more rows, or the values without time stamps, as an array',
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_time_stamps_that_are_not_regular(case):
    series, message = WRONG[case]
    with pytest.raises(DataError) as caught:
        find('fit()', stamps_of(*series), None)
    assert str(caught.value) == message


def test_a_series_must_begin_at_a_day_of_a_known_frequency():
    with pytest.raises(DataError) as caught:
        find('fit()', stamps_of(days('2020-01-15')), Frequency('month', 1, anchor='start'))
    assert str(caught.value) == (
        'fit(): a begins at 2020-01-15, which is not at the start of 1 month'
    )


def test_hours_that_a_zone_skips_and_repeats_are_a_step_each():
    # Clocks in Berlin go back on 2020-10-25 at 3, and forward on 2021-03-28 at 2.
    for start in ('2020-10-24 20:00', '2021-03-27 20:00'):
        index = pd.date_range(start, periods=12, freq='h', tz='Europe/Berlin')
        utc = index.to_numpy(dtype='M8[ns]')
        found = find('', stamps_of(utc[:3], zone='Europe/Berlin'), None)
        assert (found.at(utc[0], np.arange(12)) == utc).all()
        wall = index.tz_localize(None).to_numpy()
        assert (found.wall(utc) == wall).all()


@pytest.mark.parametrize(
    'zone', ['Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC', '-03:00']
)
def test_wall_clocks_are_those_of_pandas(zone):
    tz = 'UTC-03:00' if zone == '-03:00' else zone
    index = pd.date_range('2019-12-30', '2021-02-03', freq='15min', tz='UTC')
    utc = index.to_numpy(dtype='M8[s]')
    wall = index.tz_convert(tz).tz_localize(None).to_numpy(dtype='M8[s]')
    assert (zones.to_wall(utc, zone) == wall).all()
    back = zones.to_utc(wall, zone)
    assert (zones.to_wall(back, zone) == wall).all()
    assert np.mean(back == utc) > 0.999  # only an hour of autumn is there twice


def test_a_time_that_clocks_skip_is_taken_as_if_they_did_not():
    skipped = np.array(['2021-03-28T02:30'], 'M8[s]')
    assert zones.to_utc(skipped, 'Europe/Berlin') == np.datetime64('2021-03-28T01:30')


def test_names_for_hints():
    assert alias(of_name('2QE', None)) == '6ME'
    assert alias(of_name('BMS', None)) == 'BMS'
    assert every(of_name('QS', None)) == '3mo'
    assert every(of_name('15min', None)) == '15m'
    assert every(of_name('B', None)) is None
    assert [text_of(np.datetime64(t, 'ns')) for t in ('2020-01-02', '2020-01-02T03:04')] == [
        '2020-01-02',
        '2020-01-02 03:04',
    ]
    assert text_of(np.datetime64('2020-01-02T03:04:05.123456789')) == (
        '2020-01-02 03:04:05.123456789'
    )


def test_a_series_may_begin_in_an_hour_that_is_there_twice():
    # 2:30 of summer time and of winter time, on the day on which clocks go back.
    for start in ('2020-10-25T00:30', '2020-10-25T01:30'):
        later = ['2020-10-26T01:30', '2020-10-27T01:30']
        found = find('', stamps_of(days(start, *later), zone='Europe/Berlin'), None)
        assert str(found) == '1 day'
