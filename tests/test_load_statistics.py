"""Laws of the statistics: exactness of p-values, coverage of intervals, quantiles, Student's t."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings, strategies as st

from senior_backend.load.compare.statistics import Ranks, root, score_interval, share_difference_interval, sign_flip_p_value, student_t, unrejected


def by_enumeration(differences: list[int]) -> float:
    sums = [abs(sum(sign * difference for sign, difference in zip(signs, differences))) for signs in itertools.product((1, -1), repeat=len(differences))]
    return sum(one >= abs(sum(differences)) for one in sums) / len(sums)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=9))
def test_p_value_is_the_share_of_all_sign_patterns(differences):
    assert sign_flip_p_value(differences) == pytest.approx(by_enumeration(differences))


@given(st.lists(st.floats(-1e3, 1e3, allow_nan=False), max_size=20))
@settings(max_examples=40, deadline=None)
def test_p_value_does_not_depend_on_order_or_labels(differences):
    p = sign_flip_p_value(differences)
    assert 0 < p <= 1
    assert sign_flip_p_value([-difference for difference in reversed(differences)]) == pytest.approx(p, rel=0.2)  # sums that rounding alone tells apart


def test_twenty_blocks_that_agree_are_as_unlikely_as_they_can_be():
    assert sign_flip_p_value([1.0] * 20) == pytest.approx(2 / 2**20)
    assert sign_flip_p_value([0.0] * 20) == 1.0


def test_interval_is_where_the_test_does_not_reject():
    noise = random.Random(3)
    values = [0.3 + noise.gauss(0, 0.1) for _ in range(16)]

    def p_value(shift: float) -> float:
        return sign_flip_p_value([value - shift for value in values])

    lower, upper = unrejected(p_value, sum(values) / 16, 0.01)
    assert p_value(lower) <= 0.01 < p_value(lower + 0.001) and p_value(upper) <= 0.01 < p_value(upper - 0.001)


def test_an_end_that_no_data_bounds_is_none():
    assert unrejected(lambda shift: 1.0, 0.0, 0.01) == (None, None)


@pytest.mark.parametrize("zero", [-2.0, 0.0, 0.4, 3.0])
def test_root(zero):
    assert root(lambda x: zero - x, 0.1) == pytest.approx(zero, abs=2e-4)


@given(st.dictionaries(st.integers(1, 10**6), st.integers(1, 50), min_size=1, max_size=40), st.floats(0.001, 0.999))
def test_quantile_and_count_are_inverse(counts, share):
    ranks = Ranks(counts)
    x = ranks.quantile(share)
    assert ranks.count_below(x) == pytest.approx(share * ranks.total, rel=1e-6, abs=1e-6)


def test_quantile_of_whole_microseconds_is_within_half_of_one():
    assert Ranks({5000: 100}).quantile(0.5) == 5000.0
    with pytest.raises(ValueError):
        Ranks({}).quantile(0.5)


@pytest.mark.parametrize(
    ("share", "degrees", "expected"), [(0.975, 1, 12.706), (0.975, 4, 2.776), (0.998, 4, 5.951), (0.995, 19, 2.861), (0.025, 10, -2.228), (0.5, 3, 0.0)]
)
def test_student_t(share, degrees, expected):
    assert student_t(share, degrees) == pytest.approx(expected, abs=0.002)


def test_wilson_interval_matches_the_published_example():
    assert score_interval(0, 20, 0.05) == pytest.approx((0.0, 0.1611), abs=2e-4)
    assert share_difference_interval((56, 70), (48, 80), 0.05) == pytest.approx((-0.3339, -0.0524), abs=2e-4)  # Newcombe 1998, method 10
    assert score_interval(0, 0, 0.05) == (0.0, 1.0)
