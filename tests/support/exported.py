"""What /metrics exports."""

from prometheus_client.parser import text_string_to_metric_families

from billor.observe import metrics


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

    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}


def exported_here() -> Exported:
    """What this process has counted, for all tests so far."""
    return Exported(metrics.export("test"))
