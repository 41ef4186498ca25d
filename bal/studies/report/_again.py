"""The command that makes a result again."""

import shlex
from typing import Any

from bal.studies.report._results import Results
from bal.studies.settings import Settings, flat_values


def command_of(results: Results) -> str:
    """``bal compare`` with every setting that is not the default; "" where settings were not recorded."""
    if results.settings is None:
        return ""
    defaults = flat_values(Settings())
    values: dict[str, Any] = {name: value for name, value in results.settings.items() if name in defaults}
    values |= {
        "strategies": results.strategies,
        "num_seeds": int(results.metrics["seed"].nunique()),
        "num_rounds": int(results.metrics["round"].max()) + 1,
        "output": str(results.folder),
    }
    parts = ["bal compare"]
    for name, value in values.items():
        default = defaults[name]
        if value == (list(default) if isinstance(default, tuple) else default):
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            given = value if isinstance(value, list) else [value]
            parts.append(" ".join([f"--{flag}", *(shlex.quote(str(each)) for each in given)]))
    return " ".join(parts)
