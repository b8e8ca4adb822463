"""Compute quantiles of weighted values, as exactextract defines them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weighted_quantile(values: Floats, weights: Floats, quantile: float) -> Floats:
    """Return a quantile (a share of 1) of (cell, time) values along the cells, without NaN.

    With the n values sorted, and W(k) the sum of the weights before number k (counted from 0), value number k stands
    at s(k) = k w(k) + (n - 1) W(k); the quantile is interpolated at its share of (n - 1) times the sum of all weights.
    """
    order = np.argsort(values, axis=0)  # NaN last
    values = np.take_along_axis(values, order, axis=0)
    valid = ~np.isnan(values)
    sorted_weights = np.where(valid, weights[order], 0.0)
    n = valid.sum(axis=0)
    after = np.cumsum(sorted_weights, axis=0)
    rank = np.arange(len(values))[:, None]
    place = rank * sorted_weights + (n - 1) * (after - sorted_weights)
    wanted = quantile * (n - 1) * after[-1]
    several, times = n > 1, np.arange(values.shape[1])
    right = np.where(several, np.clip((valid & (place <= wanted)).sum(axis=0), 1, n - 1), 0)
    left = np.maximum(right - 1, 0)
    low, high = values[left, times], values[right, times]
    distance = place[right, times] - place[left, times]
    share = np.divide(wanted - place[left, times], distance, out=np.zeros_like(wanted), where=several)
    return np.asarray(low + np.minimum(share, 1.0) * (high - low))
