"""Vectors of length 1."""

from __future__ import annotations

import numpy as np

from freeda_models.unit_vectors import normalised


def test_rows_get_length_one_and_zero_and_nan_stay_what_they_are() -> None:
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [1e-20, 0]], dtype=np.float32)
    unit = normalised(rows)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit[0], [0.6, 0.8], rtol=1e-6)
    assert unit[1].tolist() == [0, 0]
    assert np.isnan(unit[2]).all()
    assert np.isfinite(unit[3]).all()
    assert normalised(rows[:2].reshape(1, 2, 2)).shape == (1, 2, 2)
