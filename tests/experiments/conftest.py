"""Experiments are studies too."""

from tests.studies.conftest import _shared_programs

__all__ = ["_shared_programs"]
