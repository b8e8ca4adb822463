"""Statistics of a value against a reference period; arrays are (unit,) for values and (year, unit) for the reference.

NaN is a year without a value. A result is NaN where the reference does not tell: a percentage of nothing, or a gamma
distribution that cannot be fitted.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, ndtri  # the distributions of scipy.stats take two seconds to import

Floats = NDArray[np.float64]
MOST = 3.09  # of the standardised precipitation index: beyond it 30 years tell nothing


def statistic(name: str, values: Floats, reference: Floats) -> Floats:
    """Return a statistic by its name in the options of the source `derived`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if name.startswith("spi-"):
            return spi(values, reference)
        normal = mean(reference)
        match name:
            case "normal":
                return normal
            case "anomaly":
                return values - normal
            case "percent-of-normal":
                return np.where(normal > 0, 100 * values / normal, np.nan)
            case "percentile":
                below, same = (reference < values).sum(axis=0), (reference == values).sum(axis=0)
                return np.where(np.isnan(values), np.nan, 100 * (below + 0.5 * same) / count(reference))
            case "rank":
                return np.where(np.isnan(values), np.nan, 1.0 + (reference > values).sum(axis=0))
    raise ValueError(f"unknown statistic {name!r}")


def count(reference: Floats) -> NDArray[np.int64]:
    """Return how many years have a value."""
    return np.asarray((~np.isnan(reference)).sum(axis=0))


def mean(reference: Floats) -> Floats:
    """Return the mean of the years with a value, NaN without any."""
    years = count(reference)
    return np.asarray(np.where(years > 0, np.nansum(reference, axis=0) / years, np.nan))


def spi(values: Floats, reference: Floats) -> Floats:
    """Return the standardised precipitation index of sums (McKee, Doesken and Kleist 1993; WMO-No. 1090).

    The probability of a sum is q + (1 - q) G(x), with the share q of zeros in the reference period and the gamma
    distribution G of the others, whose shape is Thom's (1958) estimate of maximum likelihood,
    (1 + sqrt(1 + 4 A / 3)) / (4 A) with A = ln(mean) - mean(ln). The index is the normal quantile of that, within -3.09
    and 3.09. Without a rain in the reference period nothing is fitted.
    """
    wet = np.where(reference > 0, reference, np.nan)
    zeros = (reference == 0).sum(axis=0) / count(reference)
    average = mean(wet)
    spread = np.log(average) - mean(np.log(wet))
    shape = (1 + np.sqrt(1 + 4 * spread / 3)) / (4 * spread)
    gamma = np.where(values > 0, gammainc(shape, values * shape / average), 0.0)
    found = np.clip(ndtri(zeros + (1 - zeros) * gamma), -MOST, MOST)
    return np.asarray(np.where(np.isnan(values) | ~(spread > 0), np.nan, found))
