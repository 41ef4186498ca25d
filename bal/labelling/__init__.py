"""A person as the oracle: sessions over days, several people, and exchange with other labelling tools."""

from bal.labelling._agreement import Agreement
from bal.labelling._card import Card, Neighbour
from bal.labelling._csv import from_csv, to_csv
from bal.labelling._label_studio import from_label_studio, label_studio_config, to_label_studio
from bal.labelling._open import session
from bal.labelling._records import Answer, Progress
from bal.labelling._session import Session

__all__ = [
    "Agreement",
    "Answer",
    "Card",
    "Neighbour",
    "Progress",
    "Session",
    "from_csv",
    "from_label_studio",
    "label_studio_config",
    "session",
    "to_csv",
    "to_label_studio",
]
