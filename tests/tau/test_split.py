import hashlib
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from invarlock.tau.calibrate import calibrate_tau_infer
from invarlock.tau.errors import TauError
from invarlock.tau.requirement import Requirement
from invarlock.tau.sample_ids import keys_of
from invarlock.tau.samples import CHUNK, samples_of
from invarlock.tau.split import split_samples, splitmix64
from invarlock.tau.sweep import count_taus


def test_splitmix64_has_the_published_sequence():
    gamma, state, outputs = 0x9E3779B97F4A7C15, 1234567, []
    for _ in range(5):
        outputs.append(int(splitmix64(np.array([state], np.uint64))[0]))
        state = (state + gamma) % 2**64
    assert outputs == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def marked(ids, **options):
    """Each sample's |Q| is the number of its id, so parts show whom they hold."""
    names = np.asarray(ids)
    q = np.unique(names, return_inverse=True)[1].astype(np.float64)
    parts = split_samples(samples_of(q, np.ones(q.size, bool), ids=names), **options)
    return *(set(np.concatenate([chunk.q_abs for chunk in part.chunks()])) for part in parts[:2]), parts[2]


@pytest.mark.parametrize("kind", [np.int64, np.uint32, str])
def test_no_id_is_on_both_sides_and_none_is_lost(kind):
    ids = np.random.default_rng(0).integers(0, 500, 3000).astype(kind)
    calibration, evaluation, recipe = marked(ids)
    assert not calibration & evaluation
    assert len(calibration | evaluation) == len(set(ids.tolist()))
    assert recipe.n_calibration + recipe.n_evaluation == 3000
    assert recipe.n_repeated == 3000 - len(set(ids.tolist()))
    assert "repeat the id" in recipe.warnings[0]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_about_the_share_calibrates_for_any_seed(share):
    for seed in (0, 1, 2**64 - 1):
        recipe = marked(np.arange(20_000), seed=seed, calibration_share=share)[2]
        assert recipe.n_calibration / 20_000 == pytest.approx(
            share, abs=4 * np.sqrt(share * (1 - share) / 20_000)
        )
        assert recipe.warnings == ()


def test_the_side_depends_on_the_id_and_the_seed_alone():
    ids = np.array([f"sample-{i}" for i in range(400)])
    q = np.arange(400.0)

    def side(order, seed):
        samples = samples_of(q[order], np.ones(len(order), bool), ids=ids[order])
        return set(np.concatenate([chunk.q_abs for chunk in split_samples(samples, seed=seed)[0].chunks()]))

    rng = np.random.default_rng(1)
    whole = side(np.arange(400), 7)
    assert side(rng.permutation(400), 7) == whole
    assert side(np.arange(100), 7) == {value for value in whole if value < 100}
    other = side(np.arange(400), 8)
    assert 60 < len(whole & other) < 140  # independent: about a quarter of 400


def test_row_numbers_stand_in_with_a_warning_and_split_like_given_integers():
    n = CHUNK + 77
    q = np.arange(n, dtype=np.float64)
    labels = np.ones(n, bool)
    parts = split_samples(samples_of(q, labels), seed=3)
    given = split_samples(samples_of(q, labels, ids=np.arange(n)), seed=3)
    assert parts[2].ids == "row_number"
    assert "--rows-are-samples" in parts[2].warnings[0]
    said = split_samples(samples_of(q, labels, rows_are_samples=True), seed=3)[2]
    assert (said.ids, said.warnings, said.n_calibration) == ("row_number_claimed", (), parts[2].n_calibration)
    assert (parts[2].n_calibration, given[2].ids) == (given[2].n_calibration, "given")
    for mine, theirs in zip(parts[:2], given[:2], strict=True):
        assert count_taus(mine, [5.0, 1e5]) == count_taus(theirs, [5.0, 1e5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"calibration_share": 1.0}, "calibration_share 1.0"),
        ({"calibration_share": 0}, "share 0"),
    ],
)
def test_splits_that_are_none(options, message):
    with pytest.raises(ValueError, match=message):
        marked([1, 2, 3], **options)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1.0, 2.0], "ids are float64"),
        ([True, False], "ids are bool"),
        (np.array(["a", None], object), "an id is None, of type NoneType"),
        (np.array(["a", 1.0], object), "an id is 1.0, of type float"),
        (np.array(["a", "\ud800"]), r"an id is '\\ud800', which is no text"),
    ],
)
def test_ids_are_integers_or_text(ids, message):
    with pytest.raises(TauError, match=message):
        split_samples(samples_of([0.1, 0.2], [True, False], ids=ids))


def test_the_key_of_an_id_is_of_the_id_alone():
    top = 2**64
    plain = {0: 0, 7: 7, -3: top - 3, 2**63: 2**63, top - 1: top - 1, -(2**63): 2**63}
    for number, key in plain.items():
        for ids in ([str(number)], np.array([str(number)], object), np.array([number], object), [number]):
            assert keys_of(np.asarray(ids)).tolist() == [key]
    for name in ("", "007", "+7", "-0", "3.0", " 7", "\u0667", str(top), str(-(2**63) - 1), "9" * 5000, "é"):
        head = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        assert keys_of(np.array([name, "7"], object)).tolist() == [head, 7]


def test_ids_and_the_claim_that_none_are_needed():
    with pytest.raises(TauError, match="--rows-are-samples"):
        samples_of([0.1, 0.2], [True, False], ids=[1, 2], rows_are_samples=True)


def test_object_ids_as_pandas_gives_them():
    ids = [f"s{n}" for n in range(300)]
    expected = split_samples(samples_of(np.ones(300), np.ones(300, bool), ids=ids))[0].keep.tolist()
    for given in (pd.Series(ids), np.array(ids, object)):
        assert (
            split_samples(samples_of(np.ones(300), np.ones(300, bool), ids=given))[0].keep.tolist()
            == expected
        )


def test_a_split_takes_few_bytes_a_row():
    n = 1_000_000
    samples = samples_of(np.ones(n), np.ones(n, bool), ids=np.arange(n))
    tracemalloc.start()
    split_samples(samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 13 * n


def test_censored_rows_of_one_id_are_refused_on_either_side():
    ids = np.append(np.arange(1000), [5])
    samples = samples_of(np.random.default_rng(0).exponential(size=1001), np.zeros(1001, bool), ids=ids)
    sides = set()
    for seed in range(8):
        sides.add(bool(split_samples(samples, seed=seed)[0].keep[5]))
        with pytest.raises(TauError, match="1 of 1001 censored rows repeat the id"):
            calibrate_tau_infer(samples, Requirement(max_fp=0.05), seed=seed)
    assert sides == {True, False}


def test_the_frozen_tau_is_told_on_the_other_split():
    rng = np.random.default_rng(4)
    q, labels, ids = rng.exponential(size=4000), rng.random(4000) < 0.5, np.arange(4000)
    samples = samples_of(q, labels, ids=ids)
    found = calibrate_tau_infer(samples, Requirement(max_fp=0.05), seed=11)
    tau, point = found.recommendation.tau_infer, found.evaluation
    calibration, evaluation, recipe = split_samples(samples, seed=11)
    assert found.split == recipe
    held_out = evaluation.keep & ~labels
    assert point.tau == tau
    assert point.fp_cens == np.mean(q[held_out] >= tau)
    assert point.n + found.recommendation.calibration.n == 4000
    assert found.recommendation.calibration.fp_cens_count == np.sum(q[calibration.keep & ~labels] >= tau)


def test_nothing_is_evaluated_where_nothing_is_recommended():
    found = calibrate_tau_infer(samples_of(np.ones(20), np.zeros(20, bool)), Requirement(max_fp=0.01))
    assert (found.recommendation.status, found.evaluation) == ("insufficient_data", None)
