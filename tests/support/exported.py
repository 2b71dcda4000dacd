"""What /metrics exports, and the expressions that read it."""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import promql_parser
import yaml
from prometheus_client.parser import text_string_to_metric_families

from billor import metrics
from billor.embedded.launcher import PROJECT

ALERTS = PROJECT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = PROJECT / "deploy" / "grafana" / "billor.json"
OF_PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate"}}
"""Series that Prometheus itself makes, with their labels besides those of all series."""
TARGET_LABELS = {"job", "instance"}


class Exported:
    """Samples by their names and labels."""

    def __init__(self, text: str | bytes):
        text = text.decode() if isinstance(text, bytes) else text
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels, among others."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self) -> dict[str, set[str]]:
        """The names of the labels of each metric."""
        found: dict[str, set[str]] = {}
        for sample in self.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        return found


def exported_here() -> Exported:
    """What this process has counted, for all tests so far."""
    return Exported(metrics.export("test"))


class Reference(NamedTuple):
    """A metric that an expression reads, and the labels that it names."""

    metric: str
    labels: set[str]


def alerts() -> list[Mapping]:
    """The rules of all alerts."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def dashboard_expressions() -> list[str]:
    """The expressions of the dashboard, with an interval in place of Grafana's variable."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [
        target["expr"].replace("$__rate_interval", "1m")
        for panel in panels
        for target in panel["targets"]
    ]


def references(expression: str) -> Iterator[Reference]:
    """The metrics of an expression, each with the labels it is selected and grouped by."""
    yield from _references(promql_parser.parse(expression), frozenset())


def _references(node, grouped: frozenset[str]) -> Iterator[Reference]:
    match node:
        case promql_parser.VectorSelector():
            yield Reference(node.name, grouped | {m.name for m in node.matchers.matchers})
        case promql_parser.MatrixSelector():
            yield from _references(node.vector_selector, grouped)
        case promql_parser.AggregateExpr():
            labels = node.modifier.labels if node.modifier else []
            yield from _references(node.expr, grouped | frozenset(labels))
        case promql_parser.BinaryExpr():
            matching = node.modifier and node.modifier.matching
            # `ignoring` is there because one side lacks the label.
            by = matching.labels if matching and "Include" in str(matching.type) else []
            yield from _references(node.lhs, grouped | frozenset(by))
            yield from _references(node.rhs, grouped | frozenset(by))
        case promql_parser.Call():
            for argument in node.args:
                yield from _references(argument, grouped)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from _references(node.expr, grouped)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case _:
            raise AssertionError(f"{type(node).__name__} is not followed")


def missing_from(exported: Mapping[str, set[str]], expression: str) -> list[Reference]:
    """The references of an expression to what is not exported."""
    known = exported | OF_PROMETHEUS
    return [
        reference
        for reference in references(expression)
        if reference.metric not in known
        or not reference.labels <= known[reference.metric] | TARGET_LABELS
    ]
