"""Rows of CSV (RFC 4180), also as spreadsheets and people write it."""

import csv
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain

from billor.http.tables import Table
from billor.http.text_lines import Lines

# Spreadsheets take what is usual in their country.
SEPARATORS = ",;\t|"
# A first line that only tells the separator, for Excel.
TOLD_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
# White space next to quotes, inside a cell or not. Looking for it is quick.
NEAR_QUOTES = re.compile(r'"[^\S\r\n]|[^\S\r\n]"')
BLANK_LINE = re.compile(rf'(?:[\s{SEPARATORS}]|"")*')


def read_csv(lines: Lines, table: Table) -> Iterator[list[str]]:
    """Yield the cells of each row, none for a blank line. Raises `csv.Error`.

    The separator is the one with which the header has the most of the table's columns.
    """
    separator, header = "", ""
    for header in lines:
        if told := TOLD_SEPARATOR.fullmatch(header):
            separator = told[1]
        elif not BLANK_LINE.fullmatch(header):
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
        is_told = len(cells) <= 2 and TOLD_SEPARATOR.fullmatch(separator.join(cells))
        yield [] if is_told else cells  # as in the second one of joined files


def _separator(header: str, table: Table) -> str:
    return max(SEPARATORS, key=lambda separator: table.known_names(_cells(header, separator)))


def _cells(line: str, separator: str) -> list[str]:
    return next(_reader([line], separator, strict=False))


def _reader(lines: Iterable[str], separator: str, *, strict: bool):
    space = _space_around_quotes(separator)
    tidy = (space.sub(r"\1", line) if NEAR_QUOTES.search(line) else line for line in lines)
    return csv.reader(tidy, delimiter=separator, skipinitialspace=True, strict=strict)


@cache
def _space_around_quotes(separator: str) -> re.Pattern[str]:
    """Return a pattern of white space before and after quoted cells, which CSV does not have.

    Its group is the end of such a cell. Quotes inside are doubled, so an odd number of them is at
    one end of a cell.
    """
    end = re.escape(separator)
    space = rf"(?:(?!{end})[^\S\r\n])+"
    before = rf'(?:\A|(?<={end})){space}(?=(?:"")*"(?!"))'
    after = rf'((?<!")"(?:"")*){space}(?={end}|[\r\n]|\Z)'
    return re.compile(f"{before}|{after}")
