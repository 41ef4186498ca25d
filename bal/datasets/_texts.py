"""Texts as numbers, by what is learnt from the texts of the pool: features of word counts, or the ids of words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from bal.validation import check_count

INSTALL = "texts are encoded with scikit-learn: pip install 'bal-jax[tables]'"
PADDING, UNKNOWN = 0, 1  # ids; words have those from 2


def text_features(
    pool_texts: Sequence[str], test_texts: Sequence[str] = (), *, num_features: int = 128, seed: int = 0
) -> tuple[Float[np.ndarray, "N D"], Float[np.ndarray, "T D"]]:
    """Latent semantic features: counts of words and pairs of words, weighted by rarity (TF-IDF), in D directions.

    Words, weights and directions are those of the pool. All features are divided by one number, so that the mean square
    of a feature over the pool is 1 and the first directions count more than the last. The directions are the first
    singular vectors of the weighted counts.

    Args:
      pool_texts: in any language that puts spaces between words.
      test_texts: encoded as those of the pool.
      num_features: number of directions, D.
      seed: of the randomised decomposition.

    Returns:
      Features of the pool and of the test set.

    Raises:
      ImportError: scikit-learn is not installed.
      ValueError: fewer texts, or words that occur in two of them, than directions.

    Example:
      >>> pool, test = text_features(["good fit", "good look", "bad fit", "bad look"], ["good"], num_features=2)
      >>> pool.shape, test.shape
      ((4, 2), (1, 2))

    References:
      Deerwester et al. 1990, Indexing by latent semantic analysis
    """
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise ImportError(INSTALL) from error
    check_count("num_features", num_features)
    # A word that occurs once says nothing about other texts.
    weigh = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2, max_features=20_000, dtype=np.float32)
    counts = weigh.fit_transform(pool_texts)
    if num_features >= min(counts.shape):
        raise ValueError(
            f"expected num_features below {min(counts.shape)}, for {counts.shape[0]} texts with {counts.shape[1]} "
            f"words and pairs that occur in two of them, got {num_features}"
        )
    project = TruncatedSVD(num_features, random_state=seed)
    pool = project.fit_transform(counts)
    test = project.transform(weigh.transform(test_texts)) if len(test_texts) else pool[:0]
    scale = np.sqrt(np.square(pool).mean())
    return (pool / scale).astype(np.float32), (test / scale).astype(np.float32)


def token_ids(
    pool_texts: Sequence[str], test_texts: Sequence[str] = (), *, num_words: int = 5000, length: int = 64
) -> tuple[Int[np.ndarray, "N L"], Int[np.ndarray, "T L"]]:
    """Ids of the words of each text, for :func:`bal.networks.text_mlp`: 0 is padding, 1 is an unknown word.

    Words are the most frequent ones of the pool, with ids from 2 in the order of their frequency. Longer texts are cut.

    Args:
      pool_texts: in any language that puts spaces between words.
      test_texts: encoded as those of the pool.
      num_words: size of the vocabulary, so that ids are below ``num_words + 2``.
      length: words of a text that are kept, L.

    Raises:
      ImportError: scikit-learn is not installed.

    Example:
      >>> token_ids(["a good fit", "good"], ["good grief"], num_words=2, length=3)[1].tolist()
      [[2, 1, 0]]
    """
    try:
        from sklearn.feature_extraction.text import CountVectorizer
    except ImportError as error:
        raise ImportError(INSTALL) from error
    check_count("num_words", num_words)
    check_count("length", length)
    split = CountVectorizer().build_analyzer()
    pool, test = ([split(text) for text in texts] for texts in (pool_texts, test_texts))
    words, counts = np.unique([word for words in pool for word in words] or [""], return_counts=True)
    # Words of equal frequency in the order of the alphabet.
    ids = {
        word: number for number, word in enumerate(words[np.argsort(-counts, kind="stable")][:num_words], UNKNOWN + 1)
    }

    def encode(texts: list[list[str]]) -> np.ndarray:
        encoded = np.full((len(texts), length), PADDING, np.int32)
        for row, text in zip(encoded, texts, strict=True):
            kept = [ids.get(word, UNKNOWN) for word in text[:length]]
            row[: len(kept)] = kept
        return encoded

    return encode(pool), encode(test)
