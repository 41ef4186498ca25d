"""A person as the oracle: sessions over days, several people, and exchange with other labelling tools."""

from bal.labelling._agreement import Agreement
from bal.labelling._card import Card, Neighbour
from bal.labelling._open import session
from bal.labelling._records import Answer, Progress
from bal.labelling._session import Session

__all__ = ["Agreement", "Answer", "Card", "Neighbour", "Progress", "Session", "session"]
