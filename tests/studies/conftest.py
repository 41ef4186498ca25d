"""Studies of the same settings share their programs within a file: most of their time is tracing and compiling."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="module")
def _shared_programs():
    cells = pytest.importorskip("bal.studies.cells", reason="needs the extra 'studies'", exc_type=ImportError)
    programs, traced = {}, set()
    make, trace = cells.Work.program, cells.Work.trace

    def program(work, strategy):
        # Of the settings, these do not change a program.
        settings = work.settings.with_values(output=Path(), num_seeds=1, strategies=(strategy,), executor="here")
        key = strategy, repr(settings)
        if work.given is not None:  # data that the settings do not name
            return make(work, strategy)
        if key not in programs:
            programs[key] = make(work, strategy)
        return programs[key]

    def trace_once(work, strategy):
        if (shared := program(work, strategy)) not in traced:
            trace(work, strategy)
            traced.add(shared)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells.Work, "program", program)
        patch.setattr(cells.Work, "trace", trace_once)
        yield
