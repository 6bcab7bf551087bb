"""Classifier two-sample test (Lopez-Paz and Oquab 2017, https://arxiv.org/abs/1610.06545): can
real bodies be discriminated from others?

A random forest on named features and a small CNN on patches, stacked (Wolpert 1992,
https://doi.org/10.1016/S0893-6080(05)80023-1): how far each is believed is learned from scans it
has not seen. All is cross-validated over scans, so that no body is scored by what has seen its
scan, and log-odds are centered within the scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.networks.nets import Classifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from LNGenLib.evaluation.realism.specimens import Specimen
from LNGenLib.evaluation.realism.tissue_features import tissue_features
from LNGenLib.image.hu import normalize
from LNGenLib.progress import Progress
from LNGenLib.texture.patch import PATCH, SDF_TRUNCATION

FOLDS = 5
INNER_FOLDS = 3
TREES = 300
EPOCHS = 20
BATCH = 32

Pair = tuple[Specimen, Specimen]


@dataclass(frozen=True, eq=False)
class PairScores:
    """The real bodies of pairs, and scores (3, n, 2) of each body and of the other of its pair: by
    both classifiers, by the features and by the CNN alone."""

    bodies: list[Specimen]
    scores: np.ndarray


def score_pairs(
    pairs: Sequence[Pair],
    noise: dict[str, float],
    tested: set[str],
    seed: int,
    progress: Progress,
    by_pair: bool = False,
) -> PairScores:
    """Discriminate the second of each pair from the first; scores of the scans in `tested`.

    `noise` is the noise of each scan in HU. Pairs of other scans help to train the classifiers; so
    do, `by_pair`, the others of the same scan.
    """
    specimens = [specimen for pair in pairs for specimen in pair]
    truth = np.tile([0, 1], len(pairs))
    scans = np.array([specimen.scan for specimen in specimens])
    rows = [_row(specimen, noise[specimen.scan]) for specimen in specimens]
    table, named = np.array(rows, np.float32), len(rows[0]) - 2 * PATCH**3
    scores = np.zeros((3, len(specimens)))  # both, features, CNN
    groups = np.repeat(np.arange(len(pairs)), 2) if by_pair else scans
    folds = list(_folds(truth, groups, FOLDS))
    for fold, (train, test) in enumerate(folds):
        inner = list(_folds(truth[train], groups[train], INNER_FOLDS))
        stack = _stack(named, inner, seed).fit(table[train], truth[train])
        scores[0, test] = stack.decision_function(table[test])
        scores[1:, test] = _log_odds(stack.transform(table[test])).T
        progress.step(fold + 1, len(folds))
    for scan in set(scans):
        here = scans == scan
        scores[:, here] -= scores[:, here].mean(1, keepdims=True)
    kept = np.isin(scans[::2], list(tested))
    bodies = [real for (real, _), wanted in zip(pairs, kept) if wanted]
    return PairScores(bodies, scores.reshape(3, -1, 2)[:, kept])


def _folds(truth: np.ndarray, groups: np.ndarray, most: int) -> Iterator[tuple[np.ndarray, ...]]:
    return GroupKFold(min(most, len(set(groups)))).split(truth, truth, groups)


def _row(specimen: Specimen, noise: float) -> np.ndarray:
    """Named features, then the patch: what the two classifiers look at."""
    hu, distance = specimen.patch
    patch = np.stack([normalize(hu), distance / SDF_TRUNCATION])
    return np.concatenate([list(tissue_features(specimen, noise).values()), patch.ravel()])


def _stack(named: int, folds: list[tuple[np.ndarray, ...]], seed: int) -> StackingClassifier:
    forest = RandomForestClassifier(TREES, min_samples_leaf=3, random_state=seed)
    return StackingClassifier(
        [
            ("features", make_pipeline(FunctionTransformer(lambda rows: rows[:, :named]), forest)),
            ("cnn", make_pipeline(FunctionTransformer(lambda rows: rows[:, named:]), _Cnn(seed))),
        ],
        make_pipeline(FunctionTransformer(_log_odds), LogisticRegression()),
        cv=folds,
    )


def _log_odds(share: np.ndarray) -> np.ndarray:
    share = share.clip(0.002, 0.998)
    return np.log(share / (1 - share))


class _Cnn(ClassifierMixin, BaseEstimator):
    """A small CNN on rows of patches (n, 2 x 32^3), flipped at random in training."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, rows: np.ndarray, truth: np.ndarray) -> _Cnn:
        torch.manual_seed(self.seed)
        self.classes_ = np.unique(truth)
        shape = (2, *[PATCH] * 3)
        network = Classifier(shape, 1, (8, 16, 32), (2, 2, 2), dropout=0.2)
        optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
        train, labels = torch.from_numpy(rows).view(-1, *shape), torch.from_numpy(truth).float()
        steps = EPOCHS * -(-len(train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps + 1)
        loss = torch.nn.BCEWithLogitsLoss()
        for _ in range(EPOCHS):
            for part in torch.randperm(len(train)).split(BATCH):
                flips = [axis for axis in (2, 3, 4) if torch.rand(()) < 0.5]
                batch = train[part].flip(flips) + 0.02 * torch.randn(len(part), *shape)
                optimizer.zero_grad()
                loss(network(batch)[:, 0], labels[part]).backward()
                optimizer.step()
                schedule.step()
        self.network_ = network.eval()
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The likelier class (n,): not asked for, but no classifier to sklearn without it."""
        return self.classes_[self.predict_proba(rows).argmax(1)]

    @torch.inference_mode()
    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Shares (n, 2) of belief in either class."""
        patches = torch.from_numpy(rows).view(-1, 2, *[PATCH] * 3)
        shares = torch.cat([self.network_(part)[:, 0] for part in patches.split(64)]).sigmoid()
        return torch.stack([1 - shares, shares], 1).numpy()
