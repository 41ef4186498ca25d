"""Run a function of arrays and of a pool on disk as compiled pieces, between which the host reads the pool.

The function is traced once to a jaxpr. Its equations are cut where one reads the pool: each run of other equations is
one compiled program, and a loop that reads the pool is a loop on the host around pieces of its own. So a strategy is
ordinary code, whatever its pool, and closures that it makes anew in each round change nothing: it is not traced again.
"""

import functools
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeVar

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxprs_in_params

from bal.processes import whole
from bal.sources._primitives import PRIMITIVES, host_operation
from bal.sources._scans import body_of, count_sliced
from bal.sources._source import Source
from bal.validation import is_concrete

Values = Sequence[Any]
Function = TypeVar("Function", bound=Callable[..., Any])
# Calls of a jaxpr, with the name of its parameter.
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "checkpoint": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


def in_pieces(fn: Function) -> Function:
    """The same function, which runs in pieces where an argument holds a :class:`Source`.

    Without one it is called as it is; and so it is while it is traced, when the pieces are those of the caller. Its
    plan is kept for each structure, shape and dtype of the arguments.
    """
    plans: dict[Any, tuple[Callable[[Values], list], Values, Any]] = {}

    @functools.wraps(fn)
    def run(*args):
        leaves, structure = jax.tree.flatten(args)
        if not (holds_source(args) and is_concrete(*leaves)):
            return fn(*args)
        # Of a definite dtype, so that a state from outside and one from the round before run the same programs.
        leaves = [jax.numpy.asarray(leaf, jax.numpy.asarray(leaf).dtype) for leaf in leaves]
        key = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if key not in plans:
            specs = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
            flat = lambda *leaves: fn(*jax.tree.unflatten(structure, leaves))
            closed, shapes = jax.make_jaxpr(flat, return_shape=True)(*specs)
            plans[key] = plan(closed.jaxpr), closed.consts, jax.tree.structure(shapes)
        evaluate, constants, results = plans[key]
        return jax.tree.unflatten(results, map(jax.numpy.asarray, evaluate([*constants, *leaves])))

    return run  # type: ignore[return-value]


def plan(jaxpr: Jaxpr) -> Callable[[Values], list]:
    """A jaxpr as a function on the host of the values of its constants and arguments."""
    used = _used(jaxpr)
    fixed = _fixed(used, jaxpr.outvars)
    groups: list[list[JaxprEqn]] = []
    for on_host, run_of in groupby((each for each in used if fixed.keys().isdisjoint(each.outvars)), _reads):
        equations = list(run_of)
        groups += [[equation] for equation in equations] if on_host else [equations]
    needed = {atom for atom in jaxpr.outvars if isinstance(atom, Var)}
    steps: list[tuple[Callable[[Values], Values], Sequence, Sequence[Var], list[Var]]] = []
    # From the end, where it is known which results are used later.
    for group in reversed(groups):
        group = [*(fixed[variable] for variable in _free(group) if variable in fixed), *group]
        inputs = _free(group)
        finished = [variable for variable in inputs if variable not in needed]
        if _reads(group[0]):
            run, arguments, outputs = _on_host(group[0]), tuple(group[0].invars), list(group[0].outvars)
            finished += [variable for variable in outputs if variable not in needed]  # one of several leaves
        else:
            outputs = [variable for equation in group for variable in equation.outvars if variable in needed]
            run, arguments = _compiled(jaxpr, group, inputs, outputs), tuple(inputs)
        steps.append((run, arguments, outputs, finished))
        needed.update(inputs)
    steps.reverse()

    def evaluate(values: Values) -> list:
        held = dict(zip([*jaxpr.constvars, *jaxpr.invars], values, strict=True))
        for run, inputs, outputs, finished in steps:
            if jax.process_count() > 1:
                # Processes exchange what they read, and nothing that is still being computed may cross with that.
                jax.block_until_ready(list(held.values()))
            held |= zip(outputs, run([_value(held, atom) for atom in inputs]), strict=True)
            for variable in finished:
                held.pop(variable, None)
        return [_value(held, atom) for atom in jaxpr.outvars]

    return evaluate


def holds_source(tree: Any) -> bool:
    """Whether a pool on disk is in a tree, such as points or a data set."""
    return any(isinstance(leaf, Source) for leaf in jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, Source)))


def _used(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """Equations on which a result depends; the compiler would keep the others where they lead to a read."""
    needed = {atom for atom in jaxpr.outvars if isinstance(atom, Var)}
    used = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or not needed.isdisjoint(equation.outvars):
            used.append(equation)
            needed.update(atom for atom in equation.invars if isinstance(atom, Var))
    return used[::-1]


def _fixed(equations: list[JaxprEqn], results: Sequence[Any]) -> dict[Var, JaxprEqn]:
    """Equations that follow from nothing, such as the numbers of all points: pieces compute them and hold none."""
    on_host = [atom for equation in equations if _reads(equation) for atom in equation.invars]
    asked = {atom for atom in [*results, *on_host] if isinstance(atom, Var)}
    return {
        equation.outvars[0]: equation
        for equation in equations
        if equation.primitive.name in ("iota", "broadcast_in_dim")
        and not _free([equation])
        and equation.outvars[0] not in asked
    }


def _reads(equation: JaxprEqn) -> bool:
    """Whether an equation reads a pool, itself or within a loop or a call."""
    if equation.primitive in PRIMITIVES:
        return True
    return any(_reads(inner) for jaxpr in jaxprs_in_params(equation.params) for inner in jaxpr.eqns)


def _free(equations: list[JaxprEqn]) -> list[Var]:
    """Variables that equations use and do not define."""
    defined = {variable for equation in equations for variable in equation.outvars}
    used = [atom for equation in equations for atom in equation.invars if isinstance(atom, Var)]
    return list(dict.fromkeys(atom for atom in used if atom not in defined))


def _value(held: dict, atom: Any) -> Any:
    return atom.val if isinstance(atom, Literal) else held[atom]


def _compiled(jaxpr: Jaxpr, equations: list[JaxprEqn], inputs: list[Var], outputs: list[Var]):
    names = jaxpr.debug_info.with_unknown_names()
    piece = jaxpr.replace(constvars=[], invars=inputs, outvars=outputs, eqns=equations, debug_info=names)
    program = jax.jit(lambda *values: jax.core.eval_jaxpr(piece, (), *values))
    return lambda values: program(*values)


def _on_host(equation: JaxprEqn) -> Callable[[Values], Values]:
    name, params = equation.primitive.name, equation.params
    if equation.primitive in PRIMITIVES:
        operation = host_operation(equation.primitive, params)
        return lambda values: operation(*values)
    if name in CALLS:
        return _call(params[CALLS[name]])
    if name in LOOPS:
        return LOOPS[name](equation)
    raise ValueError(
        f"expected a strategy that reads a pool on disk outside {name}, got one inside: "
        "call view.map and view.take before it"
    )


def _call(inner: ClosedJaxpr | Jaxpr) -> Callable[[Values], list]:
    if isinstance(inner, Jaxpr):
        return plan(inner)
    evaluate, constants = plan(inner.jaxpr), inner.consts
    return lambda values: evaluate([*constants, *values])


def _scan(equation: JaxprEqn) -> Callable[[Values], list]:
    params, within = equation.params, body_of(equation.params["jaxpr"])
    body = _call(params["jaxpr"])
    num_carry = len(within.outvars) - count_sliced([atom.aval for atom in equation.outvars], within.outvars)
    num_consts = len(within.invars) - num_carry - count_sliced([atom.aval for atom in equation.invars], within.invars)
    order = range(params["length"])[:: -1 if params["reverse"] else 1]

    def run(values: Values) -> list:
        constants, carry, sequences = (
            values[:num_consts],
            values[num_consts : num_consts + num_carry],
            values[num_consts + num_carry :],
        )
        outputs = []
        for number in order:
            results = body([*constants, *carry, *_slices(sequences, np.int32(number))])
            carry = results[:num_carry]
            outputs.append([np.asarray(whole(leaf)) for leaf in results[num_carry:]])
        if params["reverse"]:
            outputs.reverse()
        return [*carry, *(np.stack(leaves) for leaves in zip(*outputs, strict=True))]

    return run


@jax.jit
def _slices(sequences: Values, number: Any) -> list:
    return [jax.lax.dynamic_index_in_dim(leaf, number, keepdims=False) for leaf in sequences]


def _while(equation: JaxprEqn) -> Callable[[Values], list]:
    params = equation.params
    condition, body = _call(params["cond_jaxpr"]), _call(params["body_jaxpr"])
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]

    def run(values: Values) -> list:
        of_condition, of_body = values[:num_cond], values[num_cond : num_cond + num_body]
        carry = list(values[num_cond + num_body :])
        while condition([*of_condition, *carry])[0]:
            carry = body([*of_body, *carry])
        return carry

    return run


def _cond(equation: JaxprEqn) -> Callable[[Values], list]:
    branches = [_call(branch) for branch in equation.params["branches"]]
    return lambda values: branches[int(values[0])](values[1:])


LOOPS = {"scan": _scan, "while": _while, "cond": _cond}
