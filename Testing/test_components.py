"""Components of masks, connected by faces or by corners too."""

from __future__ import annotations

import numpy as np

from LNGenLib.image.components import FACES, components, instances, largest_component


def test_largest_component_counts_corners_as_contact():
    mask = np.zeros((8, 8, 8), bool)
    mask[0:2, 0:2, 0:2] = mask[2:4, 2:4, 2:4] = True  # touch at a corner: 16 voxels
    mask[5:8, 5:7, 5:7] = True  # 12 voxels
    kept = largest_component(mask)
    assert kept[0, 0, 0] and kept[3, 3, 3] and kept.sum() == 16
    assert np.array_equal(largest_component(mask, FACES), mask & (np.arange(8) > 4))


def test_largest_component_of_nothing_is_nothing():
    assert not largest_component(np.zeros((3, 3, 3), bool)).any()


def test_components_are_counted_voxel_by_voxel():
    mask = np.zeros((1, 3, 6), bool)
    mask[0, 0, :3] = mask[0, 1, 3] = mask[0, 2, 5] = True  # the second touches the first's corner
    labels, sizes = components(mask)
    assert sizes.tolist() == [0, 4, 1] and labels[0, 1, 3] == labels[0, 0, 0] != labels[0, 2, 5]
    assert components(mask, FACES)[1].tolist() == [0, 3, 1, 1]
    assert components(np.zeros((2, 2, 2), bool))[1].tolist() == [0]


def test_several_values_are_instances_else_components_are():
    mask = np.zeros((4, 4, 8), np.uint8)
    mask[:2, :2, :2] = mask[2, 2, 2] = mask[0, 0, 5:] = 1  # the second touches the first's corner
    for binary in (mask, mask > 0, mask * 255):
        found = instances(binary)
        assert found.max() == 2 and np.array_equal(found > 0, mask > 0)
        assert found[0, 0, 0] == found[2, 2, 2] != found[0, 0, 5]
    several = mask.copy()
    several[0, 0, 0] = 2
    assert np.array_equal(instances(several), several)  # of pieces or touching
    assert not instances(mask * 0).any()
