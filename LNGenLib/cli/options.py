"""The arguments and options of all commands, as types of their parameters."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from LNGenLib.benchmark import arms
from LNGenLib.synthesis import method

DeviceName = Literal["auto", "cpu", "cuda"]
DistributionName = Literal["clinical", "uniform"]  # of the long axis
AppearanceName = Literal["benign", "suspicious", "mixed"]
LayoutName = Literal["nnunet", "plain"]  # of data sets that are written


class NetworkName(str, Enum):  # Typer takes no list of a Literal
    """Networks that segment."""

    unet = "unet"
    dynunet = "dynunet"
    swinunetr = "swinunetr"
    nnunet = "nnunet"


class ScoredPart(str, Enum):
    """Scans on which Table I is made."""

    validation = "validation"
    test = "test"


RANGE = "MIN [MAX]"
Range = tuple[float, float]
Box = tuple[float, float, float, float, float, float]

# What goes in
Ct = Annotated[Path, Argument(help="CT: NIfTI, NRRD, MHA or a DICOM folder.")]
Series = Annotated[
    str | None, Option(metavar="UID", help="The CT's, where its folder holds several.")
]
Anatomy = Annotated[
    Path | None,
    Option(
        help="TotalSegmentator's labels: a label map, a folder of masks, or a .seg.nrrd of Slicer; "
        "auto makes them by `lngen anatomy`, beside the results."
    ),
]
Fast = Annotated[bool, Option("--fast", help="Its model of 3 mm: less time and memory.")]
Result = Annotated[Path, Argument(help="Folder that `lngen synthesize` wrote.")]
Like = Annotated[Path, Option(help="Folder of the DICOM series it was made from.")]
LikeSeries = Annotated[
    str | None, Option(metavar="UID", help="Which, where that folder holds several.")
]

# What comes out
Output = Annotated[Path, Option("-o", "--output", help="Folder for the results.")]
ModelOutput = Annotated[Path, Option("-o", "--output", help="Folder for the model.")]
DicomOutput = Annotated[Path, Option("-o", "--output", help="Folder for the DICOM files.")]
LabelOutput = Annotated[Path, Option("-o", "--output", help="Label image to write.")]
Figures = Annotated[Path | None, Option("-o", "--output", help="JSON file for the figures.")]
Gallery = Annotated[
    Path | None, Option("--gallery", help="Write a picture of the shapes here (.png or .jpg).")
]
Overwrite = Annotated[
    bool, Option("--overwrite", help="Replace files that LNGen did not write, too.")
]

# Seeds
Seed = Annotated[int, Option(help="Same seed, same result.")]
DrawSeed = Annotated[int, Option(min=0, help="Same seed, same draws.")]
ScanSeed = Annotated[int, Option(help="Same seed, same scans.")]
ShapeSeed = Annotated[int, Option(help="Same seed, same shapes.")]
BootstrapSeed = Annotated[int, Option(help="Of the bootstrap.")]

# Models
Device = Annotated[DeviceName, Option(help="Where the networks run.")]
AnyDevice = Annotated[str, Option(help="Where the networks run.")]
Weights = Annotated[Path | None, Option(help="Own weights (.safetensors).")]
ResolvedWeights = Annotated[  # for processes that work elsewhere
    Path | None, Option(help="Own weights (.safetensors).", resolve_path=True)
]
OwnWeights = Annotated[Path | None, Option(help="Own weights.")]
DifftumorWeights = Annotated[Path | None, Option(help="Weights of `train difftumor`, for its arm.")]
Steps = Annotated[int, Option(help="Sampling steps of the texture diffusion.")]
Method = Annotated[method.Method, Option(help="difftumor is a baseline (docs/training.md).")]

# Which lymph nodes
Count = Annotated[int, Option(help="Number of lymph nodes.")]
CountOrPoints = Annotated[
    int | None,
    Option(help="Number of lymph nodes; else one a point, or 4 to 8 of sizes that are alike."),
]
LongAxis = Annotated[
    Range, Option(metavar=RANGE, help="Bounds of the long axis in mm; one value: one size.")
]
ShortAxis = Annotated[float | None, Option(help="Ask for shapes of about this short axis, mm.")]
SizeDistribution = Annotated[
    DistributionName,
    Option(
        help="Distribution of the long axis within its bounds; clinical is approximate: "
        "log-normal, median 5.5 mm, most of 3 to 10 mm; uniform is the paper's."
    ),
]
AxisRatio = Annotated[Range, Option(metavar=RANGE, help="Short axis / long axis; round is 0.85 1.")]
Irregularity = Annotated[
    Range, Option(metavar=RANGE, help="1 - volume / convex hull; irregular is 0.03 1.")
]
Hilum = Annotated[
    float | None,
    Option(
        metavar="SHARE",
        help="Share of nodes with a fatty hilum, 0 to 1; by default of benign ones 0.05 below "
        "5 mm, 0.25 to 10 mm, 0.45 above.",
    ),
]
Appearance = Annotated[
    AppearanceName,
    Option(help="What shapes, hila, necrosis, brightness and evenness follow, where not told."),
]
Suspicious = Annotated[
    float, Option(metavar="SHARE", help="Share of nodes that look suspicious, if mixed.")
]
Necrosis = Annotated[
    float | None,
    Option(
        metavar="SHARE",
        help="Share of nodes with a necrotic core, 0 to 1; by default of suspicious ones 0.05 "
        "above 8 mm, 0.2 above 15 mm.",
    ),
]
Enhancement = Annotated[
    Range | None,
    Option(metavar="LOW [HIGH]", help="HU over the scan's muscle; 20 60 is well enhanced."),
]
Artery = Annotated[
    float | None, Option(metavar="HU", help="HU of the arteries, 42 is unenhanced; else measured.")
]
AllowFewer = Annotated[bool, Option("--allow-fewer", help="Leave out nodes that find no room.")]

# Where they lie
RegionBox = Annotated[
    Box | None, Option(metavar="R1 R2 A1 A2 S1 S2", help="Box in RAS mm where nodes may lie.")
]
RegionMask = Annotated[Path | None, Option(help="Mask on the CT's grid where nodes may lie.")]
Stations = Annotated[
    list[str] | None,
    Option(help="Station where nodes may lie (docs/placement.md); repeat for several."),
]
Tumor = Annotated[
    str | None,
    Option(
        metavar="R,A,S|MASK",
        help="A tumor of the rectum, RAS mm or a mask, round which nodes lie as is usual.",
    ),
]
PointsPath = Annotated[
    Path | None, Option(help="A node at each point: Slicer markups (.mrk.json), or CSV with R,A,S.")
]
Tolerance = Annotated[float, Option(help="How far from its point a node's center may lie, mm.")]
Avoid = Annotated[Path | None, Option(help="Mask of real nodes, say, to keep off.")]
Known = Annotated[
    Path | None,
    Option(
        help="Labels of lymph nodes that the CT has: as --avoid, and label.nii.gz holds them "
        "beside the new ones."
    ),
]

# Plans
DryRun = Annotated[bool, Option("--dry-run", help="Only print and write the plan: plan.json.")]
PlanPath = Annotated[Path | None, Option(help="Paint this plan, edited or not, of --dry-run.")]
Replan = Annotated[bool, Option("--replan", help="Draw what --plan was asked for anew.")]

# Data sets
Cases = Annotated[Path, Option(help="Data set of CTs, with or without labels (docs/datasets.md).")]
LabeledCases = Annotated[Path, Option(help="Data set of labeled CTs (docs/datasets.md).")]
SplitCases = Annotated[
    Path, Option(help="Data set of labeled CTs, with parts or without (docs/table1.md).")
]
SyntheticCases = Annotated[Path, Argument(help="Data set that `lngen dataset` wrote.")]
OriginalCases = Annotated[Path, Option(help="Data set of which it was made.")]
CaseAnatomies = Annotated[
    Path | None,
    Option(help="Folder of TotalSegmentator's labels, ID.nii.gz or a folder ID a case."),
]
Classes = Annotated[
    list[str] | None,
    Option(
        "--class",
        metavar="NAME",
        help="Class of lymph nodes, where dataset.json names several; repeat for more.",
    ),
]
PoolNumber = Annotated[int, Option("-n", "--number", min=1, help="Lymph nodes.")]
Painted = Annotated[bool, Option("--painted", help="Generate their tissue, too: quick to paste.")]
CaseNumber = Annotated[int, Option("-n", "--number", min=1, help="Synthetic cases.")]
CaseCount = Annotated[tuple[int, int], Option(metavar=RANGE, help="Lymph nodes a case.")]
LeastConspicuity = Annotated[
    float,
    Option(
        min=0.0,
        metavar="RATIO",
        help="Leave lymph nodes out whose peak change is less than this many times the noise; 0 "
        "keeps all.",
    ),
]
Layout = Annotated[LayoutName, Option(help="nnU-Net raw, or a folder a case.")]
Ray = Annotated[str | None, Option(metavar="ADDRESS", help="Work on a Ray cluster.")]
Workers = Annotated[int, Option(min=1, help="Processes of this machine.")]
Gpus = Annotated[float, Option(min=0.0, help="GPUs a Ray task takes; 0.25: four share one.")]

# Training
TrainingTable = Annotated[Path, Option(help="Folder with the table of cases (docs/training.md).")]
ModelConfig = Annotated[Path | None, Option(help="JSON with sizes to change.")]
SegmentationConfigFile = Annotated[
    Path | None, Option(help="JSON with what to change (docs/segmentation.md).")
]
Network = Annotated[NetworkName, Option(help="Which network.")]
Synthetic = Annotated[
    Path | None, Option(help="Data set that `lngen dataset` wrote, to train on, too.")
]
Online = Annotated[
    Path | None, Option(help="Pool of `lngen pool`, from which nodes are painted into patches.")
]
SegmentationModel = Annotated[Path, Option(help="Folder of `lngen train segmentation`.")]
RealModel = Annotated[Path, Option(help="Segmentation model, trained on real CTs alone.")]

# Evaluation and benchmarks
RealShapes = Annotated[
    Path, Option(help="Data as `train structure` takes, its structure.npz, or just masks.")
]
GeneratedShapes = Annotated[Path, Option(help="Folder that `structures` wrote, or one of masks.")]
TextureData = Annotated[
    Path, Option(help="Folder with splits.csv and its CTs, as `train texture` takes.")
]
Work = Annotated[Path | None, Option(help="Keep what is done here, to go on when interrupted.")]
Found = Annotated[Path, Option(help="Folder with a label image ID.nii.gz a case.")]
OtherFound = Annotated[Path | None, Option(help="The same of another model, to compare with.")]
StandinData = Annotated[Path, Option(help="Folder as `train texture` takes.")]
Networks = Annotated[
    list[NetworkName] | None, Option("--network", help="Repeat for several; unet.")
]
Arms = Annotated[list[arms.Arm] | None, Option("--arm", help="Repeat for several; all.")]
Runs = Annotated[int, Option(min=1, help="Runs of each cell.")]
BaselineArm = Annotated[arms.Arm, Option(help="The arm to which differences are printed.")]
Part = Annotated[
    ScoredPart, Option("--on", help="Score validation scans to choose by, test scans for good.")
]
MostRuns = Annotated[int | None, Option(min=0, help="Do at most so many runs; 0 only prints.")]
Table2Data = Annotated[Path, Option(help="Folder of a `train structure`, or data as it takes.")]
ExplicitConfigFile = Annotated[
    Path | None, Option(help="JSON with sizes to change of the explicit variant.")
]

# Reader studies
StudyCases = Annotated[
    int, Option("--count", "-n", help="Number of cases: an even one, half are painted.")
]
StudyFolder = Annotated[
    Path, Argument(metavar="STUDY", help="Folder that `lngen study make` wrote.")
]
Answers = Annotated[
    list[Path], Argument(metavar="ANSWERS...", help="JSON files that the readers sent back.")
]
ScorePicture = Annotated[
    Path | None, Option("--picture", help="Write ROC curves and ratings here (.png or .jpg).")
]

# Service
ServerData = Annotated[Path, Option(help="Folder of uploads, jobs and results.")]
Host = Annotated[str, Option(help="Address to listen at.")]
Port = Annotated[int, Option(min=0, max=65535, help="0 takes a free one.")]
TokenFile = Annotated[
    Path | None, Option(help="Text file with a token a line; a line removed is revoked.")
]
MaxUpload = Annotated[int, Option(min=1, help="MiB of an uploaded image.")]
MaxJobs = Annotated[int, Option(min=1, help="Jobs that wait or run at a time.")]
Certificate = Annotated[Path | None, Option(help="TLS certificate (PEM).")]
CertificateKey = Annotated[Path | None, Option(help="Its key (PEM).")]
Server = Annotated[str | None, Option(help="URL of a server to examine.")]
Ca = Annotated[
    Path | None,
    Option(help="CA certificate (PEM) of the server, where this machine does not know its CA."),
]
