"""The judge of texture: can real bodies be told from others?

A random forest on named features and a small CNN on patches, cross-validated over scans: nobody is
judged by a classifier that has seen the scan. Their log-odds are added, so that the surer counts
more, and centered within the scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.networks.nets import Classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from LNGenLib.evaluation.specimens import Specimen
from LNGenLib.evaluation.tissue_features import tissue_features
from LNGenLib.image.hu import normalize
from LNGenLib.texture.patch import PATCH, SDF_TRUNCATION

FOLDS = 5
EPOCHS = 30
BATCH = 32
RESAMPLES = 2000

Pair = tuple[Specimen, Specimen]
Report = Callable[[int, int], None]  # steps done, steps


@dataclass(frozen=True)
class Verdict:
    """How well one class was told from real bodies over `pairs`: AUC and its 95 % interval, by
    bootstrap over pairs; and the AUC of the features and of the CNN alone."""

    pairs: int
    auc: float
    low: float
    high: float
    features: float
    cnn: float


def judge(
    pairs: Sequence[Pair], noise: dict[str, float], judged: set[str], seed: int, report: Report
) -> Verdict:
    """Tell the second of each pair from the first; AUC over the scans in `judged`.

    `noise` is the noise of each scan in HU. Pairs of other scans help to train the classifiers.
    """
    specimens = [specimen for pair in pairs for specimen in pair]
    truth = np.tile([0, 1], len(pairs))
    scans = np.array([specimen.scan for specimen in specimens])
    rows = [tissue_features(specimen, noise[specimen.scan]) for specimen in specimens]
    table = np.array([list(row.values()) for row in rows])
    patches = torch.from_numpy(np.stack([_channels(specimen) for specimen in specimens]))
    scores = np.zeros((2, len(specimens)))
    folds = GroupKFold(min(FOLDS, len(set(scans)))).split(table, truth, scans)
    for fold, (train, test) in enumerate(folds):
        forest = RandomForestClassifier(500, min_samples_leaf=3, random_state=seed)
        forest.fit(table[train], truth[train])
        share = forest.predict_proba(table[test])[:, 1].clip(0.002, 0.998)
        scores[0, test] = np.log(share / (1 - share))
        scores[1, test] = _cnn_scores(patches[train], truth[train], patches[test], seed + fold)
        report(fold + 1, min(FOLDS, len(set(scans))))
    for scan in set(scans):
        here = scans == scan
        scores[:, here] -= scores[:, here].mean(1, keepdims=True)
    kept = np.isin(scans, list(judged))
    count = int(kept.sum()) // 2
    both = scores.sum(0)[kept].reshape(-1, 2)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(count, size=(RESAMPLES, count))
    resampled = np.array([_auc(both[rows]) for rows in drawn])
    low, high = np.percentile(resampled, [2.5, 97.5])
    alone = [_auc(part[kept].reshape(-1, 2)) for part in scores]
    return Verdict(count, _auc(both), float(low), float(high), *alone)


def _auc(scores: np.ndarray) -> float:
    """Of scores (n, 2) of real bodies and others."""
    return float(roc_auc_score(np.tile([0, 1], len(scores)), scores.ravel()))


def _channels(specimen: Specimen) -> np.ndarray:
    hu, distance = specimen.patch
    return np.stack([normalize(hu), distance / SDF_TRUNCATION]).astype(np.float32)


def _cnn_scores(
    train: torch.Tensor, truth: np.ndarray, test: torch.Tensor, seed: int
) -> np.ndarray:
    """Log-odds (n,) of `test` by a CNN trained on `train` (m, 2, 32, 32, 32), flipped at random."""
    torch.manual_seed(seed)
    shape = (train.shape[1], *[PATCH] * 3)
    network = Classifier(shape, 1, (8, 16, 32), (2, 2, 2), dropout=0.2)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    labels = torch.from_numpy(truth).float()
    steps = EPOCHS * -(-len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps + 1)
    loss = torch.nn.BCEWithLogitsLoss()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(train)).split(BATCH):
            flips = [axis for axis in (2, 3, 4) if torch.rand(()) < 0.5]
            batch = train[rows].flip(flips) + 0.02 * torch.randn(len(rows), *shape)
            optimizer.zero_grad()
            loss(network(batch)[:, 0], labels[rows]).backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(part)[:, 0] for part in test.split(64)]).numpy()
