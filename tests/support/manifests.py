"""The manifests of deploy/, and the published schemas that they must fit."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from billor.embedded.launcher import PROJECT

DEPLOY = PROJECT / "deploy"
SCHEMAS = {
    folder: json.loads((PROJECT / "tests/support/schemas" / f"{folder}.json").read_text())
    for folder in ("kubernetes", "cloud-run")
}
# What kustomize reads itself: lists of files, and patches that are no resources.
OF_KUSTOMIZE = {"kustomization.yaml", "pod.yaml"}

Resource = Mapping[str, Any]


def flaws(resource: Resource, of: str) -> list[str]:
    """What does not fit the published schema of the resource's kind."""
    schemas = SCHEMAS[of]
    kind = schemas["kinds"][f"{resource['apiVersion']}/{resource['kind']}"]
    validator = jsonschema_rs.validator_for({**kind, "$defs": schemas["$defs"]})
    return [str(error) for error in validator.iter_errors(dict(resource))]


def files() -> list[Path]:
    """All files that hold resources."""
    kept = (*DEPLOY.glob("kubernetes/*/*.yaml"), *DEPLOY.glob("cloud-run/*.yaml"))
    return [file for file in kept if file.name not in OF_KUSTOMIZE and _has_resources(file)]


def _has_resources(file: Path) -> bool:
    return all(isinstance(each, dict) for each in yaml.safe_load_all(file.read_text()))


def resources(file: Path) -> list[Resource]:
    return list(yaml.safe_load_all(file.read_text()))


def rendered(folder: str) -> list[Resource]:
    """What `kubectl apply -k` would send. Skips without kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: what kustomize makes of deploy/ is NOT tested")
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes" / folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return list(yaml.safe_load_all(run.stdout))


def containers(resource: Resource) -> Iterator[Resource]:
    """The containers of a resource of whichever kind."""
    for name, value in resource.items():
        if name == "containers":
            yield from value
        elif isinstance(value, dict):
            yield from containers(value)
