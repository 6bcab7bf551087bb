"""`lngen placement`."""

from __future__ import annotations

from rich.table import Table

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.anatomy import ANATOMY, check_auto, with_anatomy
from LNGenLib.cli.console import console, say
from LNGenLib.files import SOFTWARE, check_output, output_folder, write_json

FILES = ("prior.nii.gz", "stations.seg.nrrd", "stations.json", "stations.png")


def placement(
    ct: opt.Ct,
    output: opt.Output,
    series: opt.Series = None,
    anatomy: opt.Anatomy = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Show where lymph nodes may lie: prior.nii.gz, stations.seg.nrrd, stations.json, a picture."""
    from LNGenLib.image.io import marked_own, write_images, write_picture
    from LNGenLib.placement.maps import placement_maps
    from LNGenLib.placement.picture import render_placement

    anatomy, made = check_auto(anatomy)
    check_output(output, FILES + made, (ct, anatomy), overwrite)
    scan = LNGenLib.Scan.read(ct, anatomy, series=series)
    scan = with_anatomy(scan, output / ANATOMY) if made else scan
    maps = placement_maps(scan)
    with output_folder(output) as folder:
        images = {"prior.nii.gz": maps.prior, "stations.seg.nrrd": maps.stations}
        write_images({folder / name: marked_own(image) for name, image in images.items()})
        write_json({"software": SOFTWARE} | maps.summary, folder / "stations.json")
        write_picture(render_placement(scan.hu, maps), folder / "stations.png")
    table = Table("station", "ml", "weight", "landmark", "unavailable because")
    for row in maps.summary["stations"]:
        volume, weight = "-", "-"
        if row["available"]:
            volume, weight = f"{row['volume_ml']:.1f}", f"{row['weight']:.0%}"
        landmark = row["landmark"] + (" (estimated)" if row["estimated"] else "")
        table.add_row(row["name"], volume, weight, landmark, row["reason"] or "")
    console.print(table)
    say(f"maps written to {output}")
