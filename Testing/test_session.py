"""Edits by hand: each is painted at once, as the plan would be in one go, and can be undone."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import ras_to_index
from LNGenLib.image.io import to_array
from LNGenLib.placement.candidate_region import NoPlace
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import paint, plan
from LNGenLib.synthesis.painter import MOST, Kept, Painter
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.session import Session

REQUEST = SynthesisRequest(6, Sizes("uniform", 4.0, 8.0), 5, tolerance_mm=4.0)
EDITS = ("add", "add", "move", "resize", "look", "vary", "remove", "undo", "redo")
IN_BONE = (0.0, -78.0, 0.0)  # RAS mm


@pytest.fixture(scope="module")
def painter(scan, models):
    return Painter(scan, models)


@pytest.fixture(scope="module")
def places(scan, models):
    """Points of fat, RAS mm."""
    return [node.center_ras_mm for node in plan(scan, REQUEST, models).nodes]


@pytest.fixture
def session(scan, painter, places):
    """Of two lymph nodes: 1 and 2."""
    session = Session(scan, request=REQUEST, painter=painter)
    session.add(places[0], 6.0)
    session.add(places[1], 5.0)
    return session


def arrays(session: Session) -> list[np.ndarray]:
    result = session.result()
    return [to_array(image) for image in (result.ct, result.nodes, result.changed)]


def edited(session: Session, name: str, draw) -> None:
    """One edit of a kind, by random numbers that `draw` gives; one that is refused is none."""
    if name in ("undo", "redo"):
        getattr(session, name)()
        return
    numbers = [node.number for node in session.plan.nodes]
    if name == "add":
        given = (draw("place"), draw("size"))
    elif not numbers:
        return
    else:
        number = numbers[draw("which") % len(numbers)]
        center = np.array(session.plan.nodes[numbers.index(number)].center_ras_mm)
        given = {
            "move": (number, center + draw("shift")),
            "resize": (number, draw("size")),
            "look": (number, draw("look")),
        }.get(name, (number,))
    try:
        getattr(session, name)(*given)
    except InputError:
        pass


@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # each example takes seconds
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=st.lists(st.sampled_from(EDITS), min_size=6, max_size=12), seed=st.integers(0, 99))
def test_any_edits_are_what_the_plan_paints_in_one_go(scan, models, painter, places, edits, seed):
    rng, session = np.random.default_rng(seed), Session(scan, request=REQUEST, painter=painter)
    drawn = {
        "place": lambda: rng.choice(places) + rng.uniform(-1, 1, 3),
        "size": lambda: rng.uniform(3, 8),
        "which": lambda: int(rng.integers(100)),
        "shift": lambda: rng.uniform(-2, 2, 3),
        "look": lambda: str(rng.choice(["benign", "suspicious"])),
    }
    for name in ("add", "add", *edits):
        edited(session, name, lambda what: drawn[what]())
    assert len(session._history) > 3, "too few edits were taken to tell"
    if not session.plan.nodes:
        assert np.array_equal(to_array(session.image), to_array(scan.ct))
        return
    wanted, found = paint(scan, session.plan, models=models), session.result()
    for image in ("ct", "nodes", "changed"):
        assert np.array_equal(to_array(getattr(found, image)), to_array(getattr(wanted, image)))
    assert found.records == wanted.records and found.provenance == wanted.provenance


def test_others_keep_every_voxel(session):
    before, moved = arrays(session), [session.painted.pieces[0]]
    session.move(1, np.array(session.plan.nodes[0].center_ras_mm) + (0.5, 0.0, 0.5))
    after, moved = arrays(session), [*moved, session.painted.pieces[0]]
    touched = np.zeros(before[0].shape, bool)
    for piece in moved:
        touched[piece.box] |= piece.changed
    assert (before[0] != after[0]).any() and (before[2][~touched] > 0).any()
    for one, other in zip(before, after):
        assert np.array_equal(one[~touched], other[~touched])


def test_undo_and_redo_paint_nothing(session, monkeypatch):
    states = [arrays(session)]
    for edit in (lambda: session.resize(1, 6.5), lambda: session.remove(2)):
        edit()
        states.append(arrays(session))
    monkeypatch.setattr(Painter, "repaint", None)
    assert session.undo() and all(map(np.array_equal, arrays(session), states[1]))
    assert session.undo() and all(map(np.array_equal, arrays(session), states[0]))
    assert session.redo() and session.redo() and not session.redo()
    assert all(map(np.array_equal, arrays(session), states[2]))
    for _ in range(4):
        assert session.undo()
    assert not session.can_undo and not session.plan.nodes
    assert not session.undo()


def test_an_edit_after_an_undo_takes_the_place_of_what_was_undone(session):
    session.resize(1, 6.5)
    session.undo()
    session.vary(1)
    assert not session.can_redo and session.plan.nodes[0].variant == 1
    session.undo()
    assert session.plan.nodes[0].variant == 0 and session.plan.nodes[0].long_axis_mm == 6.0


def test_a_plan_a_step_away_is_not_painted_again(session, monkeypatch):
    earlier = session.plan
    session.resize(1, 6.5)
    later = session.plan
    monkeypatch.setattr(Painter, "repaint", None)
    session.show(earlier)
    assert session.plan is earlier and session.can_redo
    session.show(later)
    assert session.plan is later and not session.can_redo


@pytest.mark.parametrize(
    "edit, why",
    [
        (lambda s: s.add(IN_BONE, 6.0), "no room for a lymph node of 6.0 mm within 4 mm"),
        (lambda s: s.add((0, 0, 9000.0), 6.0), "LN 3 leaves the CT"),
        (lambda s: s.move(1, IN_BONE), "LN 1"),
        (lambda s: s.move(1, s.plan.nodes[1].center_ras_mm), "LN 1 and LN 2 overlap"),
        (lambda s: s.resize(1, 31.0), "31 mm long"),
        (lambda s: s.look(1, "odd"), "appearance odd: give benign or suspicious"),
        (lambda s: s.remove(3), "no lymph node 3"),
        (lambda s: s.look(1, "mixed"), "give benign or suspicious"),
        (lambda s: s.add((1, 2), 6.0), "give three numbers"),
        (lambda s: s.move(1, None), "give three numbers"),
        (lambda s: s.move(1, "abc"), "give three numbers"),
        (lambda s: s.resize(1, None), "give a number"),
        (lambda s: s.change(1, color="red"), "color: give some of"),
        (lambda s: s.change(1, turn=((1.0, 0.0, 0.0),) * 3), "no rotation"),
    ],
)
def test_what_is_refused_changes_nothing(session, edit, why):
    before = session.painted
    with pytest.raises(InputError, match=why):
        edit(session)
    assert session.painted is before and not session.can_redo


def test_a_new_node_is_fitted_in_near_its_point(scan, session, places):
    for number, place in ((3, places[2]), (4, places[3])):
        assert session.add(place, 5.0) == number
        found = np.array(session.plan.nodes[-1].center_ras_mm)
        # centers lie within a voxel of a candidate
        assert np.linalg.norm(found - place) <= REQUEST.tolerance_mm + np.linalg.norm(scan.spacing)
    with pytest.raises(NoPlace, match="another lymph node"):
        session.add(session.plan.nodes[0].center_ras_mm, 8.0)
    index = np.round(ras_to_index(scan.ct, np.array(session.plan.nodes[2].center_ras_mm)))
    assert to_array(session.nodes)[tuple(index.astype(int))] in (0, 3)


def test_looks_and_variants_are_those_of_their_kind(session):
    session.look(1, "suspicious")
    assert session.plan.nodes[0].appearance == session.records[0].appearance == "suspicious"
    one = session.records[0]
    session.vary(1)
    assert session.plan.nodes[0].appearance == "suspicious"
    assert session.records[0].axis_ratio != one.axis_ratio
    session.change(1, variant=0)
    assert session.records[0] == one


def test_a_variant_out_of_range_is_an_error(session):
    with pytest.raises(InputError, match="variant -1"):
        session.change(1, variant=-1)


def test_a_session_goes_on_with_a_plan(scan, painter, session, tmp_path):
    session.plan.write(tmp_path / "plan.json")
    again = Session(scan, type(session.plan).read(tmp_path / "plan.json"), painter=painter)
    assert all(map(np.array_equal, arrays(again), arrays(session)))
    assert not again.can_undo
    again.remove(1)
    again.result().write(tmp_path)
    assert (tmp_path / "nodes.json").exists()


def test_a_plan_of_another_ct_is_refused(scan, painter, session):
    other = dataclasses.replace(session.plan, images={"ct": "0" * 64})
    with pytest.raises(InputError, match="made in another CT"):
        Session(scan, other, painter=painter)


def test_what_was_made_is_kept_while_it_is_new():
    kept, made = Kept[int](), []

    def make(new):
        made.extend(new)
        return new

    assert kept.of(["a", "b"], make) == [0, 1] and kept.of(["b", "a"], make) == [1, 0]
    assert made == [0, 1]
    kept.of([f"{k}" for k in range(MOST - 1)], make)
    made.clear()
    assert kept.of(["a"], make) == [0] and made == []  # used last
    assert kept.of(["b"], make) == [0] and made == [0]
    many = list(range(2 * MOST))
    assert kept.of(many, make) == many == kept.of(many, lambda new: pytest.fail("made again"))


def test_a_session_by_a_server_needs_no_torch():
    code = "import sys; import LNGenLib.synthesis.session, LNGenLib.service.client.client; "
    code += "print([n for n in ('torch', 'monai', 'skimage', 'nibabel') if n in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
