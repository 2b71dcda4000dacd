"""Rows of CSV (RFC 4180), also as spreadsheets and people write it."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from billor.http.tables import Table
from billor.http.text_lines import Lines

# Spreadsheets take what is usual in their country.
SEPARATORS = ",;\t|"
# A first line that only tells the separator, for Excel.
TOLD_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


def read_csv(lines: Lines, table: Table) -> Iterator[list[str]]:
    """Yield the cells of each row, none for a blank line. Raises `csv.Error`.

    The separator is the one with which the header has the most of the table's columns.
    """
    separator, header = "", ""
    for header in lines:
        if told := TOLD_SEPARATOR.fullmatch(header):
            separator = told[1]
        elif header.strip():
            break
        lines.end_record()
        yield []
    yield from _read(header, lines, separator or _separator(header, table))


def _read(header: str, lines: Lines, separator: str) -> Iterator[list[str]]:
    rows = _reader(chain([header], lines), separator, strict=True)
    try:
        yield next(rows)
    except csv.Error:
        yield _cells(header, separator)  # for the table to refuse: it may be JSON
        raise
    lines.end_record()
    for cells in rows:
        lines.end_record()
        yield cells


def _separator(header: str, table: Table) -> str:
    return max(SEPARATORS, key=lambda separator: table.known_names(_cells(header, separator)))


def _cells(line: str, separator: str) -> list[str]:
    return next(_reader([line], separator, strict=False))


def _reader(lines: Iterable[str], separator: str, *, strict: bool):
    return csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=strict)
