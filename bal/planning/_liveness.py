"""How many bytes a traced computation holds at its worst moment: a walk over its jaxpr, of which nothing is run."""

from typing import Any, NamedTuple

from jax.extend.core import Jaxpr, Literal, jaxprs_in_params

from bal.memory import bytes_of_array
from bal.sources import AHEAD, BLOCK_BYTES, CALLS, body_of, count_sliced

# A compiler computes these within the loop over the elements of what uses them, so that they need not exist as arrays.
ELEMENTWISE = frozenset(
    (
        "abs", "add", "add_any", "and", "atan2", "bitcast_convert_type", "broadcast_in_dim", "ceil", "clamp",
        "concatenate", "convert_element_type", "copy", "cos", "digamma", "div", "dynamic_slice", "eq", "erf", "erf_inv",
        "erfc", "exp", "exp2", "expm1", "floor", "gather", "ge", "gt", "integer_pow", "iota", "is_finite", "le",
        "lgamma", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pad", "pow", "real",
        "reduce_precision", "rem", "reshape", "rev", "round", "rsqrt", "select_n", "shift_left",
        "shift_right_arithmetic", "shift_right_logical", "sign", "sin", "slice", "sqrt", "square", "squeeze",
        "stop_gradient", "sub", "tan", "tanh", "transpose", "xor",
    )
)  # fmt: skip
# Of these, too dear to be computed anew for each user.
DEAR = frozenset(
    (
        "atan2", "cos", "digamma", "div", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "gather", "lgamma", "log",
        "log1p", "logistic", "pow", "rem", "rsqrt", "sin", "sqrt", "tan", "tanh",
    )
)  # fmt: skip
# What reads each element of its operands where it needs it.
ABSORBING = (ELEMENTWISE - {"gather", "dynamic_slice"}) | frozenset(
    (
        "argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum",
        "reduce_xor",
    )
)  # fmt: skip
# The result takes the place of an operand that is not used again.
IN_PLACE = frozenset(
    (
        "dynamic_update_slice", "scan", "scatter", "scatter-add", "scatter_add", "scatter_max", "scatter_min",
        "scatter_mul", "while",
    )
)  # fmt: skip


class _Operation(NamedTuple):
    name: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    params: dict[str, Any]


class _Program(NamedTuple):
    """A jaxpr without calls, whose arrays are numbered."""

    operations: list[_Operation]
    avals: dict[int, Any]
    arguments: list[int]
    results: list[int]


class Moment(NamedTuple):
    """The worst moment of a computation."""

    bytes: int  # of what it holds beside its arguments
    arrays: frozenset[tuple[tuple[int, ...], int]]  # shape and bytes of each array that exists at any moment


def worst_moment(jaxpr: Jaxpr, num_sliced: int = 0) -> Moment:
    """Bytes that a computation holds at its worst moment beside its arguments, and the arrays that it ever makes.

    What a compiler would compute within the loop of its users does not count, and what may overwrite an operand takes
    no further place. The order is that of the trace.

    Args:
      jaxpr: the computation.
      num_sliced: number of the last arguments that are slices of larger arrays, as in the body of a loop.
    """
    program = _inlined(jaxpr)
    sliced = program.arguments[len(program.arguments) - num_sliced :]
    operations = [_Operation("dynamic_slice", (), (number,), {}) for number in sliced]
    operations = _used([*operations, *program.operations], program.results)
    size = {number: bytes_of_array(aval) for number, aval in program.avals.items()}
    exists, last_use = _lifetimes(operations, program.results)
    ends: dict[int, list[int]] = {}  # place -> arrays that are not needed after it
    for place in exists:
        for number in operations[place].results:
            ends.setdefault(last_use.get(number, place), []).append(number)
    now = worst = 0
    arrays: set[tuple[tuple[int, ...], int]] = set()
    for place in exists:
        operation = operations[place]
        within, inner = _within(operation, program.avals)
        made, freed = operation.results, ends.get(place, [])
        arrays |= inner | {(program.avals[number].shape, size[number]) for number in made}
        room = [size[number] for number in freed if number not in made] if operation.name in IN_PLACE else []
        new = 0
        for number in made:
            if size[number] in room:
                room.remove(size[number])
            else:
                new += size[number]
        worst = max(worst, now + new + within)
        now += sum(size[number] for number in made) - sum(size[number] for number in freed)
    return Moment(worst, frozenset(arrays))


def _lifetimes(operations: list[_Operation], results: list[int]) -> tuple[list[int], dict[int, int]]:
    """Places of the operations whose results exist as arrays, and where each array is used last."""
    users: dict[int, list[int]] = {}
    for place, operation in enumerate(operations):
        for number in operation.operands:
            users.setdefault(number, []).append(place)
    end, kept = len(operations), set(results)
    computed_at, last_use = list(range(end)), dict.fromkeys(kept, end)
    for place in reversed(range(end)):
        operation = operations[place]
        used_at = [user for number in operation.results for user in users.get(number, [])]
        if (
            operation.name in ELEMENTWISE
            and kept.isdisjoint(operation.results)
            and all(operations[user].name in ABSORBING for user in used_at)
            and (operation.name not in DEAR or len(used_at) == 1)
        ):
            # Absorbed by its users, it needs its operands until the last of them.
            computed_at[place] = max(computed_at[user] for user in used_at)
        for number in operation.operands:
            last_use[number] = max(last_use.get(number, -1), computed_at[place])
    return [place for place in range(end) if computed_at[place] == place], last_use


def _within(operation: _Operation, avals: dict[int, Any]) -> tuple[int, frozenset]:
    """What an operation holds beside its operands and results."""
    if operation.name == "random_bits":
        return sum(bytes_of_array(avals[number]) for number in operation.results), frozenset()
    if operation.name == "dot_general" and operation.params["dimension_numbers"][1][0]:
        # Of a batch of products, a copy of an operand in the layout of a matrix.
        return max(bytes_of_array(avals[number]) for number in operation.operands), frozenset()
    sliced = blocks = 0
    if operation.name == "scan":
        within = body_of(operation.params["jaxpr"])
        sliced = count_sliced([avals[number] for number in operation.operands], within.invars)
    elif operation.name == "map_source":
        blocks = (AHEAD + 1) * BLOCK_BYTES
    moments = [worst_moment(inner, sliced) for inner in jaxprs_in_params(operation.params)]
    held = max((each.bytes for each in moments), default=0)
    return blocks + held, frozenset().union(*(each.arrays for each in moments))


def _inlined(jaxpr: Jaxpr) -> _Program:
    avals: dict[int, Any] = {}
    operations: list[_Operation] = []

    def new(variable: Any) -> int:
        avals[len(avals)] = variable.aval
        return len(avals) - 1

    def walk(inner: Jaxpr, arguments: list[int]) -> list[int]:
        numbers = dict(zip(inner.invars, arguments, strict=True)) | {each: new(each) for each in inner.constvars}

        def number_of(atom: Any) -> int:
            return new(atom) if isinstance(atom, Literal) else numbers[atom]

        for equation in inner.eqns:
            name = equation.primitive.name
            operands = [number_of(atom) for atom in equation.invars]
            if name in CALLS:
                called = equation.params[CALLS[name]]
                numbers |= zip(equation.outvars, walk(getattr(called, "jaxpr", called), operands), strict=True)
            else:
                results = [new(variable) for variable in equation.outvars]
                numbers |= zip(equation.outvars, results, strict=True)
                operations.append(_Operation(name, tuple(operands), tuple(results), equation.params))
        return [number_of(atom) for atom in inner.outvars]

    arguments = [new(variable) for variable in jaxpr.invars]
    results = walk(jaxpr, arguments)
    return _Program(operations, avals, arguments, results)


def _used(operations: list[_Operation], results: list[int]) -> list[_Operation]:
    needed, used = set(results), []
    for operation in reversed(operations):
        if not needed.isdisjoint(operation.results):
            used.append(operation)
            needed.update(operation.operands)
    return used[::-1]
