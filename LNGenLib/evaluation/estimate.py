"""Figures with 95 % intervals, by bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; NaN where there is nothing to count."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, samples: np.ndarray) -> Estimate:
        """`value`, and 2.5 to 97.5 % of what the figure is in `samples` (m,)."""
        if np.isnan(value):
            return cls(*[float("nan")] * 3)
        return cls(float(value), *map(float, np.nanpercentile(samples, [2.5, 97.5])))

    def __str__(self) -> str:
        """The figure and its interval, or a dash where there is nothing to count."""
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(figure: Callable[[np.ndarray], np.ndarray], draws: np.ndarray) -> Estimate:
    """A `figure` ((m, n) -> (m,)) and its interval, by `draws` (m, n) of n units: the first row
    is the whole sample, the others are resamples of it."""
    values = figure(draws)
    return Estimate.of(values[0], values[1:])


def drawn_indices(count: int, resamples: int, seed: int | np.random.Generator) -> np.ndarray:
    """Draws (m, count) of the whole and its resamples, as the indices of the units."""
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    return np.vstack([np.arange(count), drawn])


def drawn_cells(rows: int, columns: int, resamples: int, seed: int) -> np.ndarray:
    """Draws (m, rows * columns) of a table and its resamples, as the indices of its cells row by
    row; rows and columns are drawn apart from each other.

    This is the pigeonhole bootstrap (https://doi.org/10.1214/07-AOAS122), for figures that vary
    with either. Of one row it draws the columns as `drawn_indices` does.
    """
    rng = np.random.default_rng(seed)
    drawn_columns, drawn_rows = (drawn_indices(n, resamples, rng) for n in (columns, rows))
    cells = drawn_rows[:, :, None] * columns + drawn_columns[:, None, :]
    return cells.reshape(len(cells), rows * columns)


def drawn_counts(count: int, resamples: int, seed: int | np.random.Generator) -> np.ndarray:
    """The same (m, count) as how often each unit is drawn, by another stream of the seed."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return np.vstack([np.ones(count, int), drawn])


def shown(value: float | None, digits: int = 3) -> str:
    """A figure in a table, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
