"""What travels between client and server, as JSON. Standard library only: both ends import it."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

VERSION = 2  # of the protocol; it is the first part of every path

KINDS_NAME = "LNGenLib.service.worker.kinds:KINDS"  # where the kinds of jobs are listed
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
VOXEL_BYTES = {f"{sign}int{8 * size}": size for size in (1, 2, 4, 8) for sign in ("", "u")}
VOXEL_BYTES |= {"float32": 4, "float64": 8}
MOST_VOXELS_AN_AXIS = 8192

M = TypeVar("M", bound="Message")


@dataclass(frozen=True)
class Message:
    """What is read of JSON."""

    @classmethod
    def from_json(cls: type[M], values: dict[str, Any]) -> M:
        """The message of `dataclasses.asdict`'s JSON, lists as tuples, without fields that this
        side does not know: a newer server of the same version may send more."""
        known = {f.name: values[f.name] for f in dataclasses.fields(cls) if f.name in values}
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in known.items()})


class JobState(str, Enum):
    """Of a job. It ends in exactly one of the last three."""

    queued = "queued"
    running = "running"
    canceling = "canceling"
    done = "done"
    failed = "failed"
    canceled = "canceled"

    @property
    def final(self) -> bool:
        """Whether the job is over."""
        return self in (JobState.done, JobState.failed, JobState.canceled)


@dataclass(frozen=True)
class UploadedImage(Message):
    """An uploaded image: its voxels by the SHA-256 of their bytes, and where they lie.

    Voxels are little-endian, x running fastest. `size` and `spacing` (mm) are x y z; `origin` (mm)
    and `direction` (3 x 3 by rows) are LPS, as SimpleITK has them.
    """

    sha256: str
    type: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, float, float, float, float, float, float, float, float]

    @property
    def bytes(self) -> int:
        """How many bytes its voxels take."""
        return math.prod(self.size) * VOXEL_BYTES[self.type]

    def problem(self) -> str | None:
        """What is wrong with it, or None. Looks at numbers only, not at voxels."""
        if not SHA256.fullmatch(self.sha256):
            return "sha256 is 64 hexadecimal digits"
        if self.type not in VOXEL_BYTES:
            return f"a voxel's type is one of {', '.join(VOXEL_BYTES)}"
        if not all(1 <= n <= MOST_VOXELS_AN_AXIS for n in self.size):
            return f"an axis has 1 to {MOST_VOXELS_AN_AXIS} voxels"
        if not all(map(math.isfinite, (*self.spacing, *self.origin, *self.direction))):
            return "spacing, origin and direction are finite numbers"
        if not all(1e-3 <= step <= 1e3 for step in self.spacing):
            return "spacing is 0.001 to 1000 mm"
        if any(abs(value) > 1e6 for value in self.origin):
            return "the origin lies within a kilometer"
        a, b, c = (self.direction[k : k + 3] for k in (0, 3, 6))
        across = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
        volume = sum(x * y for x, y in zip(across, c))
        if not all(abs(value) <= 1.01 for value in self.direction) or abs(volume) < 0.5:
            return "the direction's columns are three perpendicular unit vectors"
        return None


@dataclass(frozen=True)
class Submission:
    """A job to do: its kind, that kind's request as JSON, and the images it needs by name."""

    kind: str
    request: dict[str, Any] = field(default_factory=dict)
    images: dict[str, UploadedImage] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStatus(Message):
    """Where a job stands; also each of its events, numbered by `event`.

    `fraction` (0 to 1) and `seconds_left` are of the whole job, None where not known. `error` says
    why it failed. Times are seconds since 1970.
    """

    id: str
    kind: str
    state: JobState
    event: int
    created: float
    started: float | None = None
    ended: float | None = None
    stage: str = ""
    step: int = 0
    steps: int = 0
    fraction: float | None = None
    seconds_left: float | None = None
    error: str | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> JobStatus:
        """The status of `dataclasses.asdict`'s JSON."""
        return super().from_json(values | {"state": JobState(values["state"])})


@dataclass(frozen=True)
class ResultFile(Message):
    """A file of a result."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class JobResult(Message):
    """What a job left: a JSON document, and files to be fetched by name."""

    content: dict[str, Any]
    files: tuple[ResultFile, ...] = ()

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> JobResult:
        """The result of `dataclasses.asdict`'s JSON."""
        return cls(values["content"], tuple(map(ResultFile.from_json, values["files"])))


@dataclass(frozen=True)
class Capabilities(Message):
    """What a server is and does; asked for at connect. `device` is None until its worker is up;
    `models` are the segmentation models that a segment job may name."""

    protocol: int
    software: str
    kinds: tuple[str, ...]
    max_upload: int
    max_jobs: int
    device: str | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """The body of every answer that is an error: one line for the user."""

    message: str


@dataclass(frozen=True)
class Finding:
    """One line of the check-up."""

    what: str
    found: str
    good: bool = True


@dataclass(frozen=True)
class CheckUp:
    """What was found of a machine."""

    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether everything is as it should be."""
        return all(finding.good for finding in self.findings)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CheckUp:
        """The check-up of `dataclasses.asdict`'s JSON."""
        return cls(tuple(Finding(**finding) for finding in values["findings"]))
