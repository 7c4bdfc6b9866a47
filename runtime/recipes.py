"""Functions whose pickle can be kept: code that refers to nothing that could change unseen.

Most functions that are sent are small: their code, some modules and importable names, other such
functions beside them, and a few numbers and strings as captured values, defaults or globals. Such a
function is split in two. Its *recipe* (code, names, references, source lines) stays the same from
call to call, is pickled once, and once unpickled where it arrives. Its *values* go with each call.

1. `pack` looks at every object that the recipe refers to, by identity, at every call: a function, a
   module or a class that was replaced makes a new recipe, or none.
2. What could change in place is never in a recipe: a function with attributes, a mutable default, a
   list among the globals, a class typed at the prompt all travel by cloudpickle.
3. `cast` makes new functions with new globals every time; only what is immutable, or importable, is
   shared between calls. So every call starts from the values at sending, exactly as it does by
   cloudpickle, at a tenth of the cost.
"""

import pickle
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from pysh.runtime import byvalue, sources
from pysh.runtime.needs import Uses, hollow

SCALARS = frozenset({type(None), bool, int, float, complex})
LONGEST = 4096
"""Characters or bytes of a string among the values; a longer one is no matter of a few microseconds."""
KEPT = 256
"""Recipes remembered, by the sending side and by the receiving side each."""
LARGEST = 64 * 1024
"""Bytes of a recipe; a longer one is not worth its memory on the other side."""
STRIKES = 16
"""How often a recipe is made anew for the same code before that code is left to cloudpickle."""

_MODULE_NAMES = ("__name__", "__package__", "__file__")
_MISSING: Any = object()

Values = tuple[tuple[Any, ...], tuple[Any, ...]]
"""The values of the globals, and for each function its `_part`."""


class _Unfit(Exception):
    """The function cannot be split into a recipe and values."""


def is_scalar(value: Any) -> bool:
    """Whether `value` is immutable to its core, and short."""
    kind = type(value)
    return kind in SCALARS or ((kind is str or kind is bytes) and len(value) <= LONGEST)


# sending


class _Shape(NamedTuple):
    """What of a function lies in the recipe. All but the code and the annotations follow from the code."""

    code: CodeType
    name: str
    qualname: str
    module: Any
    doc: str | None
    annotations: dict[str, Any]

    def fits(self, function: FunctionType) -> bool:
        return (
            function.__code__ is self.code
            and function.__name__ is self.name
            and function.__qualname__ is self.qualname
            and function.__module__ is self.module
            and function.__doc__ is self.doc
            and not function.__dict__
            and function.__annotations__ == self.annotations
        )


class _Plan(NamedTuple):
    """How to pack one function, and what must still hold for that."""

    recipe: bytes
    shape: _Shape
    helpers: tuple[tuple[FunctionType, _Shape], ...]
    fixed: tuple[tuple[str, Any], ...]  # globals that must be these very objects, or still missing
    references: tuple[tuple[str, str, Any], ...]  # what must be found under these names in these modules
    names: tuple[str, ...]  # the globals that travel as values
    modules: int  # how many modules were imported, where that matters; else 0
    uses: Uses

    def values(self, function: FunctionType) -> Values | None:
        """The values to send with the recipe; None if the recipe does not hold any more.

        Raises `_Unfit` where it holds, but not every captured value or default is a scalar.
        """
        get = function.__globals__.get
        for name, value in self.fixed:
            if get(name, _MISSING) is not value:
                return None
        for module, name, value in self.references:
            if _find(module, name) is not value:
                return None
        if self.modules and self.modules != len(sys.modules):
            return None
        if not self.shape.fits(function) or byvalue.modules_by_value():
            return None
        values = tuple([get(name, _MISSING) for name in self.names])
        if not all(map(is_scalar, values)):
            return None
        parts = [_part(function)]
        for helper, shape in self.helpers:
            if not shape.fits(helper):
                return None
            parts.append(_part(helper))
        return values, tuple(parts)


class _Known:
    """What is known about one code object: its plan, or None if it has none."""

    __slots__ = ("code", "plan", "strikes")

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.plan: _Plan | None = None
        self.strikes = 0


_known: dict[int, _Known] = {}


def pack(function: FunctionType) -> tuple[bytes, Values, Uses] | None:
    """The recipe of `function`, its values of now, and what it refers to; None if it has to go by cloudpickle."""
    code = function.__code__
    if byvalue.behind(function) is not byvalue.BUILT_IN:
        return None
    known = _known.get(id(code))
    if known is None or known.code is not code:
        if len(_known) >= KEPT:
            _known.clear()
        known = _known[id(code)] = _Known(code)
    plan = known.plan
    try:
        values = plan.values(function) if plan else None
        if values is None and known.strikes < STRIKES:
            known.strikes += 1
            known.plan = None
            known.plan = plan = _plan(function)
            values = plan.values(function)
    except Exception:  # `_Unfit`, or something it refers to is broken, and cloudpickle will say what
        return None
    return (plan.recipe, values, plan.uses) if plan and values else None


def _part(function: FunctionType) -> Any:
    """The defaults and captured values of `function`, None where it has none of either."""
    defaults, keywords, closure = function.__defaults__, function.__kwdefaults__, function.__closure__
    if defaults is None and keywords is None and closure is None:
        return None
    try:
        captured = tuple([cell.cell_contents for cell in closure or ()])
    except ValueError:
        raise _Unfit from None  # not bound yet
    for values in (defaults or (), (keywords or {}).values(), captured):
        if not all(map(is_scalar, values)):
            raise _Unfit
    return defaults, keywords, captured


def _find(module: str, name: str) -> Any:
    found = sys.modules.get(module)
    return getattr(found, name, None) if name else found


def _plan(root: FunctionType) -> _Plan:
    """Look at everything that `root` refers to. Raises `_Unfit` where something could change unseen."""
    if byvalue.by_reference(root) or "__path__" in root.__globals__:
        raise _Unfit
    functions = [root]
    bindings: dict[str, int] = {}
    fixed: dict[str, Any] = {name: root.__globals__.get(name, _MISSING) for name in _MODULE_NAMES}
    names: list[str] = []
    references: list[tuple[str, str, Any]] = []
    for function in functions:  # grows on the way
        references += [_reference(value) for value in function.__annotations__.values() if not is_scalar(value)]
        for name in byvalue.named_globals(function.__code__):
            if name in fixed or name in names:
                continue
            value = root.__globals__.get(name, _MISSING)
            if is_scalar(value):
                names.append(name)
                continue
            fixed[name] = value
            if _is_beside(value, root):
                if value not in functions:
                    functions.append(value)
                bindings[name] = functions.index(value)
            elif value is not _MISSING:
                references.append(_reference(value))
    shapes = [_shape(function) for function in functions]
    packages = [value for value in fixed.values() if isinstance(value, ModuleType) and value.__package__]
    present = {name: value for name, value in fixed.items() if value is not _MISSING and name not in bindings}
    made = [(shape.code, shape.annotations, sources.of(made)) for shape, made in zip(shapes, functions, strict=True)]
    submodules = [byvalue.imported_submodules(shape.code, packages) for shape in shapes]
    sink = byvalue.Sink(LARGEST)
    pickler = byvalue.Pickler(sink)
    pickler.dump((made, bindings, present, tuple(names), submodules))
    if sink.size > LARGEST:
        raise _Unfit
    uses = Uses()
    uses.modules |= pickler.modules
    uses.functions += map(hollow, functions)
    uses.missing = byvalue.missing(name for name, value in fixed.items() if value is _MISSING)
    return _Plan(
        sink.getvalue(), shapes[0], tuple(zip(functions, shapes, strict=True))[1:], tuple(fixed.items()),
        tuple(references), tuple(names), len(sys.modules) if packages else 0, uses,
    )  # fmt: skip


def _is_beside(value: Any, root: FunctionType) -> bool:
    """Whether `value` is a function of the same namespace that goes along by value."""
    if type(value) is not FunctionType or value.__globals__ is not root.__globals__ or byvalue.by_reference(value):
        return False
    return byvalue.behind(value) is byvalue.behind(root)


def _reference(value: Any) -> tuple[str, str, Any]:
    """The module and the name where `value` is found here, and will be there."""
    if isinstance(value, ModuleType):
        module, name = value.__name__, ""
    elif isinstance(value, type | FunctionType):
        module, name = value.__module__, value.__qualname__
    elif type(value) is BuiltinFunctionType and isinstance(value.__self__, ModuleType):
        module, name = value.__self__.__name__, value.__name__
    else:
        raise _Unfit
    if module == "__main__" or _find(module, name) is not value:
        raise _Unfit
    return module, name, value


def _shape(function: FunctionType) -> _Shape:
    shape = _Shape(
        function.__code__, function.__name__, function.__qualname__, function.__module__, function.__doc__,
        dict(function.__annotations__),
    )  # fmt: skip
    # `cast` makes it of code and globals alone: that must yield the same name, docstring and so on.
    alike = FunctionType(function.__code__, function.__globals__, None, None, function.__closure__)
    if not shape._replace(annotations={}).fits(alike):
        raise _Unfit
    return shape


# receiving


class _Mould:
    """A recipe unpickled; makes new functions of it."""

    __slots__ = ("_bindings", "_fixed", "_functions", "_names")

    def __init__(self, recipe: bytes) -> None:
        made, self._bindings, self._fixed, self._names, _ = pickle.loads(recipe)
        self._fixed["__builtins__"] = __builtins__
        self._functions = [(code, annotations) for code, annotations, _ in made]
        for _, _, source in made:
            if source is not None:
                sources.install(source)

    def cast(self, values: Values, supplied: dict[str, Any]) -> FunctionType:
        names = {**supplied, **self._fixed}
        names.update(zip(self._names, values[0], strict=True))
        made = list(self._cast_all(names, values[1]))
        for name, index in self._bindings.items():
            names[name] = made[index]
        return made[0]

    def _cast_all(self, names: dict[str, Any], parts: tuple[Any, ...]) -> Iterator[FunctionType]:
        for (code, annotations), part in zip(self._functions, parts, strict=True):
            if part is None:
                function = FunctionType(code, names)
            else:
                defaults, keywords, captured = part
                closure = tuple(map(CellType, captured)) if captured else None
                function = FunctionType(code, names, None, defaults, closure)
                function.__kwdefaults__ = keywords
            if annotations:
                function.__annotations__ = annotations.copy()
            yield function


_moulds: dict[bytes, _Mould] = {}


def cast(recipe: bytes, values: Values, supplied: dict[str, Any]) -> FunctionType:
    """A new function of `recipe` and `values`, with globals of its own, and in them what is `supplied` there."""
    mould = _moulds.get(recipe)
    if mould is None:
        if len(_moulds) >= KEPT:
            _moulds.clear()
        mould = _moulds[recipe] = _Mould(recipe)
    return mould.cast(values, supplied)
