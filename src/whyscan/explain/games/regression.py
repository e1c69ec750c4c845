"""The small fit at the end of LIME and SHAP: weighted ridge regression with intervals that trust no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import stdtrit


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients (t, p) and, where there are more independent draws than coefficients, their covariance roots.

    Attributes:
        coefficients: (t, p).
        scores: (g, t, p) what each independent draw adds to the error of the coefficients; their squares sum to
            the variance. None where it cannot be estimated.
        freedom: independent draws less coefficients.
    """

    coefficients: Float64[np.ndarray, "t p"]
    scores: Float64[np.ndarray, "g t p"] | None
    freedom: int

    def half_widths(self, turn: Float64[np.ndarray, "s p"] | None = None) -> Float64[np.ndarray, "t s"] | None:
        """Half the width of each coefficient's 95 % interval, after a linear map of the coefficients if given."""
        if self.scores is None:
            return None
        scores = self.scores if turn is None else self.scores @ turn.T
        return np.asarray(stdtrit(self.freedom, 0.975) * np.sqrt((scores**2).sum(0)))


def ridge(
    x: Float64[np.ndarray, "m p"],
    y: Float64[np.ndarray, "m t"],
    weights: Float64[np.ndarray, " m"],
    alpha: float,
    draws: Int64[np.ndarray, " m"],
    uncertainty: Float64[np.ndarray, " m"],
) -> Fit:
    """Minimise sum_i w_i (y_i - x_i b)^2 + alpha |b|^2, without an intercept: centre before, or do without.

    The intervals are of the sandwich kind, with each residual enlarged by its leverage (HC3; MacKinnon and
    White, 1985) and summed within a draw, so that neither equal variance nor a linear truth is assumed. They
    say how much another draw of coalitions could change the answer.

    Args:
        draws: rows of one independent draw (an antithetic pair) have the same number.
        uncertainty: from 0 for a row that had to be there (it adds nothing to the variance) to 1.
    """
    bread = np.linalg.pinv(x.T @ (weights[:, None] * x) + alpha * np.eye(x.shape[1]), rcond=1e-10, hermitian=True)
    coefficients = bread @ (x.T @ (weights[:, None] * y))
    freedom = int(np.unique(draws).size) - x.shape[1]
    if not uncertainty.any():
        return Fit(coefficients.T, np.zeros((1, *coefficients.T.shape)), max(freedom, 1))
    if freedom < 1:
        return Fit(coefficients.T, None, freedom)
    leverage = weights * np.einsum("mp,pq,mq->m", x, bread, x)
    # a row that decides its own fitted value has no residual to learn from
    inflate = np.sqrt(uncertainty) * weights / np.maximum(1 - leverage, 1e-3)
    part = (inflate[:, None] * (y - x @ coefficients))[:, :, None] * (x @ bread)[:, None, :]
    scores = np.zeros((int(draws.max()) + 1, *part.shape[1:]))
    np.add.at(scores, draws, part)
    return Fit(coefficients.T, scores, freedom)
