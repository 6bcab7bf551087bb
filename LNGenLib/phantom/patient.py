"""What differs from one patient and scan to another, apart from the anatomy that a seed draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONTENTS = ("stool", "gas", "collapsed", "fluid")


@dataclass(frozen=True)
class Patient:
    """One patient on the table of a scanner."""

    sex: str = "male"  # or 'female'
    girth: float = 0.0  # mm of fat more under the skin; below 0 the pelvis has less of it, too
    rectum: str = "stool"  # its content, one of ``CONTENTS``
    sigmoid: str = "stool"  # likewise
    redundant_sigmoid: bool = False  # a long loop hangs into the pelvis, before the rectum
    oral_contrast: float | None = None  # HU of small bowel, cecum and fluid in the colon
    prosthesis: str = "none"  # hip of metal: 'left' or 'right'
    prone: bool = False  # lies on the belly
    arms: bool = False  # at the side, in the field of view
    view: float | None = None  # mm across the round field of view; None: all of the grid
    noise: float | None = None  # HU, standard deviation; None: 8 to 12, by slice thickness

    @property
    def narrowing(self) -> float:
        """mm, at most 0, by which the pelvic cavity of a thin patient is grown."""
        return min(self.girth, 0.0)

    @classmethod
    def drawn(cls, seed: int) -> Patient:
        """A patient at random.

        The 16 pairs of rectum and sigmoid content follow one another as ``seed`` counts up; all
        else is drawn by plain probabilities.
        """
        rng = np.random.default_rng([seed, 10])
        sex, prosthesis = rng.choice(("male", "female")), rng.choice(("left", "right"))
        girth = rng.triangular(-6, 0, 35)
        chance = rng.random(6)
        contrast, cut = rng.uniform(150, 400), rng.uniform(0.8, 0.9)
        return cls(
            sex=str(sex),
            girth=float(girth),
            rectum=CONTENTS[seed % 4],
            sigmoid=CONTENTS[seed // 4 % 4],
            redundant_sigmoid=bool(chance[0] < 0.35),
            oral_contrast=float(contrast) if chance[1] < 0.35 else None,
            prosthesis=str(prosthesis) if chance[2] < 0.25 else "none",
            prone=bool(chance[3] < 0.15),
            arms=bool(chance[4] < 0.15),
            view=float(cut * 2 * half_width(girth)) if chance[5] < 0.2 else None,
            noise=float(np.exp(rng.uniform(np.log(8), np.log(35)))),
        )


def half_width(girth: float) -> float:
    """Half of a body's width in mm, at most."""
    return 186 + 1.6 * max(girth, 0)
