"""The checker of shapes and types in tests: beartype, which sees each signature once."""

from collections.abc import Callable

from beartype import beartype

_checked: dict[tuple, Callable] = {}


def beartype_once(stub: Callable) -> Callable:
    """``beartype(stub)``, or what it returned for a stub of the same signature.

    jaxtyping has a function checked by two stubs that hold its signature and none of its code. A factory makes its
    functions anew at each call, and their stubs with them: half of all stubs that the tests make are equal to another.
    """
    # Which parameters have defaults, not the values: these are checked where they are passed.
    defaults = len(stub.__defaults__ or ()), tuple(stub.__kwdefaults__ or ())
    key = stub.__module__, stub.__qualname__, stub.__code__, tuple(stub.__annotations__.items()), defaults
    try:
        if key not in _checked:
            _checked[key] = beartype(stub)
        return _checked[key]
    except TypeError:  # an annotation that cannot be hashed
        return beartype(stub)
