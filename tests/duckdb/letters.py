"""Dead letters of rows on which an expression fails: their content is JSON with no member twice, has the columns that the expression
reads under the names of the query, with the values of a row that fails, as often as there are such; and what failed is told as the
query has it, but for conditions, which the planner simplifies.
"""

import json
import re

from tables import COLUMNS

# What only the planner writes.
INNER = re.compile(r"__|#\d|\brecast\(|\bmeasure \d|\bfirst_value\b|Int64\(|CASE WHEN (\S+) IS NOT NULL THEN \1 ELSE")
CONDITION = re.compile(r"\bCASE\b|\bcoalesce\(")
QUOTED = re.compile(r"'(?:[^']|'')*'")
READ = re.compile(rf"(?<![\w.])(?:(\w+)\.)?({'|'.join(COLUMNS)})\b(?!\s*[(.\w])")
ROWS = re.compile(r"SELECT COUNT\(\*\) FROM (t|t AS y|t JOIN u ON t\.k = u\.k) WHERE (.*)", re.S)


def pairs(members):
    """The members of an object, each once."""
    names = [name for name, _ in members]
    if len(names) != len(set(names)):
        raise ValueError(f"a member is there twice: {names}")
    return dict(members)


def normal(text):
    """An expression without what is a matter of writing: letters' case, brackets, spaces, names of relations, casts that may change nothing."""
    text = re.sub(r"\bmod\(([^,()]*), ([^,()]*)\)", r"\1 % \2", text.lower())
    return re.sub(r"[()\s]|array(?=\[)|(?<![\w.])\w+\.(?=[a-z])|\bcast\b|\bas bigint\b", "", text.replace("array(", "").replace("]", ""))


def told(failed, query):
    """Whether what failed is in a query; a side without columns may have been computed while planning."""
    failed, query = normal(failed).replace("array[", ""), normal(query)
    return failed in query or re.sub(r"^\d+[/%*+-]|[/%*+-]\d+$", "", failed) in query


def literal(name, value):
    """A value as DuckDB reads it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value)
    kind = COLUMNS[name]
    quoted = "'" + str(value).rstrip("Z" if kind == "TIMESTAMP" else "").replace("'", "''") + "'"
    return quoted if kind == "VARCHAR" else f"CAST({quoted} AS {kind})"


def wrong(query, letter, count):
    """What is wrong with a letter of a query; `count` answers DuckDB's count of rows."""
    try:
        row = json.loads(letter["content"], object_pairs_hook=pairs, parse_float=str)
    except ValueError as error:
        return f"its content is no row: {error}"
    failed = QUOTED.sub("''", letter["expression"])
    for text in (failed, *row):
        if INNER.search(text):
            return f"'{text}' is the planner's"
    if not CONDITION.search(failed) and not told(letter["expression"], query.ours):
        return "what failed is not in the query"
    # Of an aggregate its value is read.
    for name in sorted((name for name in row if "(" in name), key=len, reverse=True):
        failed = failed.replace(name, "")
    for of, column in READ.findall(failed):
        if (f"{of}.{column}" if of else column) not in row:
            return f"it reads {of and of + '.'}{column}, and that is not in the row"
    rows = ROWS.fullmatch(query.failed)
    known = {name: value for name, value in row.items() if name.rsplit(".", 1)[-1] in COLUMNS and not isinstance(value, list)}
    if rows and known:
        of, fails = rows.groups()
        alias = of.split(" AS ")[-1].split(" ")[0]
        is_it = (f"{name if '.' in name else f'{alias}.{name}'} IS NOT DISTINCT FROM {literal(name.rsplit('.', 1)[-1], value)}" for name, value in known.items())
        there = count(f"SELECT COUNT(*) FROM {of} WHERE ({fails}) AND {' AND '.join(is_it)}")
        if there < letter["count"]:
            return f"{letter['count']} rows, of which {there} are there and fail"
    return None
