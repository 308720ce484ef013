"""Reads a pickle as data: a small interpreter of the opcodes that NVlabs checkpoints are made of.

Python's own unpickler imports what a file names and calls it. This one imports nothing and calls
nothing but the functions of its `Vocabulary`: a global of the file is a name (`Global`), and
REDUCE looks the name up there. What is not in the vocabulary, and every opcode that is not in
`Machine.HANDLERS`, is refused. The opcodes are described in Python's `pickletools`, which also
reads their arguments.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

from wunderkammer.gan.interop.errors import HostilePickleError, UnreadablePickleError

PROTO = b"\x80"
OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}

# None, bool, int, float, str, bytes, list, tuple, dict, set, Global, or what the vocabulary makes.
Value = Any


@dataclass(frozen=True, slots=True)
class Global:
    """A global that the file names. It stands for nothing and can't be called or changed."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Limits:
    """What an honest checkpoint stays far below.

    A full StyleGAN2-ADA file of 1024 px has 365 MB, 30 million numbers a network, and takes about
    65,000 operations.
    """

    file_bytes: int = 4 * 2**30
    operations: int = 2_000_000
    open_marks: int = 256
    depth: int = 32
    values: int = 200_000
    name_length: int = 128
    tensor_elements: int = 2**28
    total_elements: int = 2**30


@dataclass
class Budget:
    """Counts operations over a pickle and the pickles inside it."""

    limits: Limits
    operations: int = 0

    def spend(self, position: int) -> None:
        """One more operation.

        Raises:
            HostilePickleError: it is one too many.
        """
        self.operations += 1
        if self.operations > self.limits.operations:
            raise HostilePickleError(
                f"more than {self.limits.operations} operations (at byte {position}); "
                f"no checkpoint needs as many"
            )


@dataclass(frozen=True)
class Vocabulary:
    """All that a pickle may name, call, make and complete.

    `calls`: what REDUCE may call; None is a name that may stand but not be called. `classes`: what
    NEWOBJ may make, without arguments. `complete` answers BUILD, `persistent` BINPERSID; each
    raises `HostilePickleError` for what it does not know. Keys of dicts are text; with
    `max_number_key`, whole numbers from 0 up to it may be keys too.
    """

    calls: Mapping[Global, Callable[[tuple[Value, ...]], Value] | None]
    classes: Mapping[Global, Callable[[], Value]]
    complete: Callable[[Value, Value], Value] | None = None
    persistent: Callable[[Value], Value] | None = None
    max_number_key: int = -1


def describe(value: Value) -> str:
    """The kind of a value, for a message; never its content, which may be endless."""
    return f"the global {value}" if isinstance(value, Global) else f"a {type(value).__name__}"


def interpret(file: BytesIO, *, vocabulary: Vocabulary, budget: Budget) -> Value:
    """The value of the pickle that starts where `file` stands; leaves it after the pickle's end.

    Raises:
        UnreadablePickleError: the pickle is cut off or damaged.
        HostilePickleError: it asks for something outside the vocabulary, or for too much.
    """
    return Machine(vocabulary, budget).run(file)


def _argument(opcode: pickletools.OpcodeInfo, file: BytesIO) -> Any:
    """What follows an opcode in the file."""
    if opcode.name == "GLOBAL":  # pickletools would also take escape sequences
        lines = [file.readline(), file.readline()]
        if not all(line.endswith(b"\n") for line in lines):
            raise ValueError("a global ends within its name")
        return tuple(line[:-1].decode() for line in lines)
    return None if opcode.arg is None else opcode.arg.reader(file)


class Machine:
    """The stack, the memo and the opcodes' effects on them."""

    def __init__(self, vocabulary: Vocabulary, budget: Budget) -> None:
        self._vocabulary = vocabulary
        self._budget = budget
        self._stack: list[Value] = []
        self._below: list[list[Value]] = []  # the stacks under the open marks
        self._memo: dict[int, Value] = {}
        self._position = 0

    def run(self, file: BytesIO) -> Value:
        """See `interpret`."""
        self._begin(file)
        while True:
            self._position = file.tell()
            self._budget.spend(self._position)
            opcode = self._opcode(file.read(1))
            try:
                argument = _argument(opcode, file)
            except ValueError as error:
                raise self._damaged(f"the pickle is cut off or damaged: {error}") from error
            if opcode.name == "STOP":
                return self._result()
            self.HANDLERS[opcode.name](self, argument)

    def _begin(self, file: BytesIO) -> None:
        self._position = file.tell()
        head = file.read(2)
        if len(head) < 2:
            raise self._damaged("the pickle is cut off")
        if head[:1] != PROTO or not 2 <= head[1] <= 5:
            raise self._damaged(f"begins with {head!r}; no pickle of protocol 2 to 5 does")

    def _opcode(self, code: bytes) -> pickletools.OpcodeInfo:
        """The opcode of that byte; one that we do not know is refused before its argument."""
        opcode = OPCODES.get(code)
        if opcode is None:
            raise self._damaged(
                f"the pickle is damaged: {code!r} is no opcode" if code else "the pickle is cut off"
            )
        if opcode.name not in self.HANDLERS and opcode.name != "STOP":
            raise self._hostile(f"opcode {opcode.name} is not among those that checkpoints need")
        return opcode

    def _hostile(self, what: str) -> HostilePickleError:
        return HostilePickleError(f"{what} (at byte {self._position})")

    def _damaged(self, what: str) -> UnreadablePickleError:
        return UnreadablePickleError(f"{what} (at byte {self._position})")

    def _result(self) -> Value:
        if len(self._stack) != 1 or self._below:
            raise self._damaged(f"ends with {len(self._stack)} values on the stack, not 1")
        return self._stack[0]

    def _pop(self) -> Value:
        if not self._stack:
            raise self._damaged("takes a value from an empty stack")
        return self._stack.pop()

    def _top(self) -> Value:
        value = self._pop()
        self._stack.append(value)
        return value

    def _pop_to_mark(self) -> list[Value]:
        if not self._below:
            raise self._damaged("closes a mark that was never set")
        items, self._stack = self._stack, self._below.pop()
        return items

    def _mark(self, _: None) -> None:
        if len(self._below) >= self._budget.limits.open_marks:
            raise self._hostile(f"more than {self._budget.limits.open_marks} marks are open")
        self._below.append(self._stack)
        self._stack = []

    def _constant(self, value: Value) -> None:
        self._stack.append(value)

    def _remember(self, index: int) -> None:
        if index in self._memo:
            raise self._hostile(f"memo entry {index} is overwritten")
        self._memo[index] = self._top()

    def _memoize(self, _: None) -> None:
        self._remember(len(self._memo))

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise self._damaged(f"memo entry {index} was never set")
        self._stack.append(self._memo[index])

    def _tuple(self, count: int | None) -> None:
        items = self._pop_to_mark() if count is None else [self._pop() for _ in range(count)][::-1]
        self._stack.append(tuple(items))

    def _extend(self, items: list[Value]) -> None:
        target = self._top()
        if type(target) is not list:
            raise self._hostile(f"appends to {describe(target)}; only a list may be")
        target.extend(items)

    def _update(self, items: list[Value]) -> None:
        target = self._top()
        if type(target) is not dict:
            raise self._hostile(f"sets items of {describe(target)}; only of a dict may be")
        if len(items) % 2:
            raise self._damaged("sets a key without a value")
        # The hashes of text are salted, those of large numbers can be made to collide.
        for key, value in zip(items[::2], items[1::2], strict=True):
            is_number = type(key) is int and 0 <= key <= self._vocabulary.max_number_key
            if type(key) is not str and not is_number:
                raise self._hostile(f"{describe(key)} is the key of a dict; only text may be")
            target[key] = value

    def _add(self, _: None) -> None:
        items, target = self._pop_to_mark(), self._top()
        if type(target) is not set or not all(type(item) is str for item in items):
            raise self._hostile("adds something other than text to a set, or to no set")
        target.update(items)

    def _set_item(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        self._update([key, value])

    def _global(self, argument: tuple[str, str]) -> None:
        self._name(*argument)

    def _stack_global(self, _: None) -> None:
        name, module = self._pop(), self._pop()
        if type(module) is not str or type(name) is not str:
            raise self._hostile(f"names a global by {describe(module)} and {describe(name)}")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        found = Global(module, name)
        if found not in self._vocabulary.calls and found not in self._vocabulary.classes:
            raise self._hostile(
                f"asks for {str(found)[:200]!r}, which no checkpoint of this kind needs"
            )
        self._stack.append(found)

    def _reduce(self, _: None) -> None:
        arguments, function = self._pop(), self._pop()
        call = self._vocabulary.calls.get(function) if isinstance(function, Global) else None
        if call is None or type(arguments) is not tuple:
            raise self._hostile(f"calls {describe(function)} with {describe(arguments)}")
        self._stack.append(call(arguments))

    def _new_object(self, _: None) -> None:
        arguments, kind = self._pop(), self._pop()
        make = self._vocabulary.classes.get(kind) if isinstance(kind, Global) else None
        if make is None or arguments != ():
            raise self._hostile(f"makes an object of {describe(kind)} from {describe(arguments)}")
        self._stack.append(make())

    def _build(self, _: None) -> None:
        state, target = self._pop(), self._pop()
        if self._vocabulary.complete is None:
            raise self._hostile(f"changes {describe(target)} by BUILD")
        self._stack.append(self._vocabulary.complete(target, state))

    def _persistent(self, _: None) -> None:
        if self._vocabulary.persistent is None:
            raise self._hostile("opcode BINPERSID is allowed in the storages of tensors only")
        self._stack.append(self._vocabulary.persistent(self._pop()))

    HANDLERS: ClassVar[Mapping[str, Callable[["Machine", Any], None]]] = {
        "FRAME": lambda _machine, _size: None,
        "MARK": _mark,
        "NONE": lambda machine, _: machine._constant(None),
        "NEWTRUE": lambda machine, _: machine._constant(True),
        "NEWFALSE": lambda machine, _: machine._constant(False),
        **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _constant),
        **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _constant),
        **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _constant),
        "EMPTY_TUPLE": lambda machine, _: machine._tuple(0),
        "TUPLE1": lambda machine, _: machine._tuple(1),
        "TUPLE2": lambda machine, _: machine._tuple(2),
        "TUPLE3": lambda machine, _: machine._tuple(3),
        "TUPLE": _tuple,
        "EMPTY_LIST": lambda machine, _: machine._constant([]),
        "APPEND": lambda machine, _: machine._extend([machine._pop()]),
        "APPENDS": lambda machine, _: machine._extend(machine._pop_to_mark()),
        "EMPTY_DICT": lambda machine, _: machine._constant({}),
        "SETITEM": _set_item,
        "SETITEMS": lambda machine, _: machine._update(machine._pop_to_mark()),
        "EMPTY_SET": lambda machine, _: machine._constant(set()),
        "ADDITEMS": _add,
        **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _remember),
        "MEMOIZE": _memoize,
        **dict.fromkeys(("BINGET", "LONG_BINGET"), _recall),
        "GLOBAL": _global,
        "STACK_GLOBAL": _stack_global,
        "REDUCE": _reduce,
        "NEWOBJ": _new_object,
        "BUILD": _build,
        "BINPERSID": _persistent,
    }
