"""Texts as numbers: an independent computation, and that only the pool decides."""

import numpy as np
import pytest

from bal.datasets import text_features, token_ids

POOL = ["red dress fits well", "red dress too small", "blue shirt fits well", "blue shirt too small", "well well small"]


def test_text_features_are_the_singular_vectors_of_weighted_counts():
    features, test = text_features(POOL, ["red shirt", POOL[1], "unseen"], num_features=3)
    terms = ["red", "dress", "fits", "well", "too", "small", "blue", "shirt"]
    terms += ["red dress", "fits well", "too small", "blue shirt"]  # those that occur in two texts
    counts = np.array([[f" {text} ".count(f" {term} ") for term in terms] for text in POOL], float)
    counts[4, terms.index("well")] = 2
    weights = np.log(6 / (1 + (counts > 0).sum(axis=0))) + 1
    weighted = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * weights
    weighted /= np.linalg.norm(weighted, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(weighted, full_matrices=False)
    expected = left[:, :3] * values[:3]
    expected /= np.sqrt(np.square(expected).mean())
    # Distances and products do not depend on the signs of the directions.
    np.testing.assert_allclose(features @ features.T, expected @ expected.T, atol=1e-4)
    np.testing.assert_allclose(test[1], features[1], atol=1e-5)
    np.testing.assert_array_equal(test[2], 0)


def test_the_test_set_does_not_affect_the_pool():
    alone, none = text_features(POOL, num_features=2)
    assert none.shape == (0, 2)
    np.testing.assert_array_equal(alone, text_features(POOL, ["other words"] * 9, num_features=2)[0])
    np.testing.assert_array_equal(token_ids(POOL)[0], token_ids(POOL, ["other words"] * 9)[0])


def test_ids_are_in_the_order_of_frequency():
    pool, test = token_ids(POOL, ["well, WELL small dress unseen fits"], num_words=4, length=5)
    # well 4, small 3, then blue before the other words that occur twice.
    assert pool.dtype == np.int32
    assert pool.max() == 5
    assert test.tolist() == [[2, 2, 3, 5, 1]]
    assert pool[4].tolist() == [2, 2, 3, 0, 0]


def test_too_many_directions_are_refused():
    with pytest.raises(ValueError, match="num_features below 5, for 5 texts with 12 words .*, got 5"):
        text_features(POOL, num_features=5)
    with pytest.raises(ValueError, match="length"):
        token_ids(POOL, length=0)
