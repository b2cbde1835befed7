"""Precision, recall and F1 of pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd


@dataclass(frozen=True)
class Score:
    """Counts of pairs: true ones, found ones, and those that are both."""

    true: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the found pairs that are true; 1 where nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were found; 1 where there are none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (self.true + self.found) if self.true + self.found else 1.0

    def document(self) -> dict[str, float]:
        """Counts and measures, for the JSON."""
        return {**asdict(self), "precision": self.precision, "recall": self.recall, "f1": self.f1}


def score(found: pd.DataFrame, true: pd.DataFrame) -> Score:
    """Compare pairs given as two columns of ids, the same columns in both frames; repeated pairs count once."""
    found, true = found.drop_duplicates(), true.drop_duplicates()
    return Score(len(true), len(found), len(found.merge(true, on=list(true.columns))))
