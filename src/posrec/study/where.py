"""The key `where` of a table: which rows count, as in "event = 'purchase' and rating >= 4". Nothing is ever evaluated.

    condition   = all { "or" all }
    all         = one { "and" one }
    one         = "not" one | "(" condition ")" | comparison
    comparison  = column ( = | != | < | <= | > | >= ) value
                | column [ "not" ] "in" "(" value { "," value } ")"
                | column "is" [ "not" ] "empty"

A column is a bare name, or any name in `backticks` or "double quotes"; a value is 'text', a number, true or false.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Test = Callable[[Mapping[str, object]], bool]
TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*') | (?P<quoted>"[^"]*"|`[^`]*`) | (?P<sign><=|>=|<>|!=|==|=|<|>|\(|\)|,)
    | (?P<number>-?\d+(?:\.\d+)?(?![\w.])) | (?P<word>[^\W\d][\w.]*) )""",
    re.VERBOSE,
)
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
KEYWORDS = ("and", "or", "not", "in", "is", "empty", "null", "missing", "true", "false")
TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
MAX_DEPTH = 50  # of brackets and of "not"
Value = str | float | bool


class NotComparableError(ValueError):
    """A cell that cannot be compared with a number or a truth value."""


@dataclass(frozen=True)
class Token:
    """A word of the expression, and where it begins (from 1)."""

    kind: str
    text: str
    place: int


@dataclass(frozen=True)
class Where:
    """A parsed expression: the columns that it needs, in their order, and its test of a row's cells."""

    columns: tuple[str, ...]
    test: Test


def parse_where(text: str, decimal: str | None = None) -> Where:
    """The parsed expression; numbers of cells are read as `as_number` does with `decimal`.

    Raises ValueError, which names the place and what is expected there. `test` raises NotComparableError.

    >>> where = parse_where("event = 'purchase' and rating >= 4")
    >>> where.columns, where.test({"event": "purchase", "rating": "4.5"}), where.test({"event": "view", "rating": ""})
    (('event', 'rating'), True, False)
    """
    parser = _Parser(text, decimal)
    test = parser.condition(0)
    if parser.next.kind != "end":
        raise parser.error("and, or, or the end")
    return Where(tuple(dict.fromkeys(parser.columns)), test)


def as_number(value: object, decimal: str | None = None) -> float:
    """The number of a cell, with or without separators of thousands.

    decimal: what is before the fraction; None: what the text itself shows. Raises NotComparableError, for 1,234
    without `decimal` too.

    >>> as_number("4,5"), as_number("1.234,50"), as_number("1,234.50"), as_number("1,234", "."), as_number("1,234", ",")
    (4.5, 1234.5, 1234.5, 1234.0, 1.234)
    """
    if isinstance(value, bool) or not isinstance(value, str):
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise NotComparableError(f"{value!r}, not a number") from None
    text = re.sub(r"[\s'\u2019]", "", value)
    point = decimal or _decimal_of(text)
    between = "," if point == "." else "."  # thousands
    whole, _, fraction = text.partition(point)
    if between in whole and not re.fullmatch(rf"[-+]?[0-9]{{1,3}}(\{between}[0-9]{{3}})+", whole):
        raise NotComparableError(f"{value[:60]!r}, not a number with decimal: {point!r}")
    plain = whole.replace(between, "") + ("." + fraction) * bool(fraction)
    if not re.fullmatch(r"[-+]?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][-+]?[0-9]+)?", plain):
        raise NotComparableError(f"{value[:60]!r}, not a number")
    return float(plain)


def _decimal_of(text: str) -> str:
    """A point, unless a number shows that it is a comma. Raises NotComparableError where it could be either."""
    if "," not in text:
        return "," if text.count(".") > 1 else "."
    if "." in text or text.count(",") > 1:
        return max(".,", key=text.rfind) if "." in text else "."
    if re.fullmatch(r"[-+]?[0-9]{1,3},[0-9]{3}", text):
        raise NotComparableError(f"{text!r}, which can be two numbers: set decimal: ',' or decimal: '.'")
    return ","


def _is_empty(value: object) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())


class _Parser:
    """Reads the tokens from left to right."""

    def __init__(self, text: str, decimal: str | None) -> None:
        self.text, self.decimal = text, decimal
        self.tokens, self.columns = self._tokens(), list[str]()

    def _tokens(self) -> list[Token]:
        found, place = [], 0
        while self.text[place:].strip():
            match = TOKEN.match(self.text, place)
            if match is None or not match.lastgroup:
                start = place + len(self.text[place:]) - len(self.text[place:].lstrip())
                hint = ": a quote that does not end" if self.text[start] in "'\"`" else ""
                raise ValueError(f"place {start + 1}: {self.text[start:][:20]!r} is not understood{hint}")
            found.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
            place = match.end()
        return [*found, Token("end", "", len(self.text) + 1)]

    @property
    def next(self) -> Token:
        return self.tokens[0]

    def error(self, expected: str, hint: str = "") -> ValueError:
        found = f"{self.next.text!r}" if self.next.text else "the end"
        return ValueError(f"place {self.next.place}: expected {expected}, found {found}{hint}")

    def take(self, *words: str) -> str | None:
        """The next token if it is one of these words or signs."""
        word = self.next.text.lower() if self.next.kind in ("word", "sign") else ""
        if word and word in words:
            self.tokens.pop(0)
            return word
        return None

    def need(self, *words: str) -> str:
        found = self.take(*words)
        if found is None:
            raise self.error(" or ".join(words))
        return found

    def condition(self, depth: int) -> Test:
        return self._joined(depth, "or", self._all, any)

    def _all(self, depth: int) -> Test:
        return self._joined(depth, "and", self._one, all)

    def _joined(
        self, depth: int, word: str, read: Callable[[int], Test], join: Callable[[Sequence[bool] | Any], bool]
    ) -> Test:
        tests = [read(depth)]
        while self.take(word):
            tests.append(read(depth))
        return tests[0] if len(tests) == 1 else lambda row: join(test(row) for test in tests)

    def _one(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise self.error(f"at most {MAX_DEPTH} nested conditions")
        if self.take("not"):
            test = self._one(depth + 1)
            return lambda row: not test(row)
        if self.take("("):
            inner = self.condition(depth + 1)
            self.need(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        column = self._column()
        if self.take("is"):
            negated = self.take("not") is not None
            self.need("empty", "null", "missing")
            return lambda row: _is_empty(row[column]) != negated
        negated = self.take("not") is not None
        if self.take("in"):
            tests = [self._compare(column, operator.eq, value) for value in self._values()]
            return lambda row: not _is_empty(row[column]) and any(test(row) for test in tests) != negated
        if negated:
            raise self.error("in")
        sign = self.take(*SIGNS)
        if sign is None:
            raise self.error("=, !=, <, <=, >, >=, in or is")
        return self._compare(column, SIGNS[sign], self._value())

    def _column(self) -> str:
        token = self.next
        if token.kind == "quoted":
            name = token.text[1:-1]
        elif token.kind == "word" and token.text.lower() not in KEYWORDS:
            name = token.text
        else:
            hint = "; a name with other characters is written in `backticks`" if token.kind != "end" else ""
            raise self.error("a column", hint)
        self.tokens.pop(0)
        self.columns.append(name)
        return name

    def _values(self) -> list[Value]:
        self.need("(")
        values = [self._value()]
        while self.take(","):
            values.append(self._value())
        self.need(")")
        return values

    def _value(self) -> Value:
        token = self.next
        if token.kind in ("text", "quoted"):
            value: Value = token.text[1:-1].replace("''", "'")
        elif token.kind == "number":
            value = float(token.text)
        elif token.kind == "word" and token.text.lower() in ("true", "false"):
            value = token.text.lower() == "true"
        else:
            hint = f"; a text is written in quotes: '{token.text}'" if token.kind == "word" else ""
            raise self.error("'text', a number, true or false", hint)
        self.tokens.pop(0)
        return value

    def _compare(self, column: str, compare: Callable[[Any, Any], bool], value: Value) -> Test:
        """An empty cell is true of no comparison."""
        read: Callable[[object], Value] = _as_text if isinstance(value, str) else self._as_number
        if isinstance(value, bool):
            read = _as_truth

        def test(row: Mapping[str, object]) -> bool:
            cell = row[column]
            if _is_empty(cell):
                return False
            try:
                return bool(compare(read(cell), value))
            except NotComparableError as error:
                raise NotComparableError(f"{column} is {error}, so where cannot compare it") from None

        return test

    def _as_number(self, cell: object) -> float:
        return as_number(cell, self.decimal)


def _as_text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell) if whole else cell).strip()  # type: ignore[call-overload]


def _as_truth(cell: object) -> bool:
    found = cell if isinstance(cell, bool) else TRUTHS.get(str(cell).strip().lower())
    if found is None:
        raise NotComparableError(f"{str(cell)[:60]!r}, neither true nor false")
    return found
