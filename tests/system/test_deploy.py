"""The manifests of deploy/ are what Kubernetes, Cloud Run and Billor itself expect."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields

import click
import pytest
import yaml
from flask.cli import FlaskGroup, ScriptInfo

from billor.config import SETTINGS, Config
from billor.embedded.launcher import PROJECT
from billor.health.checks import MOST_COUNTED
from billor.worker.main import HEARTBEAT_FILE, ROLES, STOP_SECONDS
from tests.support.apps import client_with_token
from tests.support.exported import Exported
from tests.support.manifests import Resource, containers, files, flaws, rendered, resources

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
COMPOSE = (PROJECT / "docker-compose.yml").read_text()
# Which PostgreSQL's programs each Debian has.
POSTGRESQL_OF = {"bookworm": 15, "trixie": 17}
HOME = re.search(r"BILLOR_HOME=(\S+)", DOCKERFILE)[1]
DEPLOYMENT = (PROJECT / "docs/deployment.md").read_text()
FOR_GUNICORN = (PROJECT / "gunicorn.conf.py").read_text()
FILES = files()
EVERYWHERE = [resource for file in FILES for resource in resources(file)]


@pytest.fixture(scope="module")
def example() -> list[Resource]:
    return rendered("example")


def of_kind(found: list[Resource], *kinds: str) -> list[Resource]:
    chosen = [resource for resource in found if resource["kind"] in kinds]
    assert chosen
    return chosen


def names(found: list[Resource], kind: str) -> set[str]:
    return {resource["metadata"]["name"] for resource in of_kind(found, kind)}


def values_of(key: str, value: object) -> Iterator:
    """All values of a key, at any depth."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == key:
                yield each
            yield from values_of(key, each)
    elif isinstance(value, list):
        for each in value:
            yield from values_of(key, each)


def pod(resource: Resource) -> Resource:
    return resource["spec"]["template"]["spec"]


def labels_of_pods(found: list[Resource]) -> list[dict[str, str]]:
    workloads = of_kind(found, "Deployment", "Job")
    return [each["spec"]["template"]["metadata"]["labels"] for each in workloads]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_manifest_fits_its_published_schema(file):
    of = "cloud-run" if file.parent.name == "cloud-run" else "kubernetes"
    for resource in resources(file):
        assert not flaws(resource, of)


def test_the_rendered_example_fits_the_published_schemas(example):
    assert len(example) > 15
    for resource in example:
        assert not flaws(resource, "kubernetes")


@pytest.mark.parametrize(
    ("kind", "of"), [("Deployment", "kubernetes"), ("WorkerPool", "cloud-run")]
)
def test_a_misspelt_field_does_not_fit_its_schema(kind, of):
    broken = deepcopy(of_kind(EVERYWHERE, kind)[0])
    container = next(containers(broken))
    container["comand"] = container.pop("command")
    assert flaws(broken, of)


def test_every_reference_between_resources_has_its_target(example):
    workloads = of_kind(example, "Deployment", "Job")
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(example, "Service")}
    assert {pod(each)["serviceAccountName"] for each in workloads} <= names(
        example, "ServiceAccount"
    )
    for reference in values_of("configMapRef", example):
        assert reference["name"] in names(example, "ConfigMap")
    for target in values_of("scaleTargetRef", example):
        assert target["name"] in names(example, target["kind"])
    for backend in values_of("backend", example):
        service = services[backend["service"]["name"]]
        assert backend["service"]["port"]["name"] in {port["name"] for port in service["ports"]}
    ports = {port["name"] for port in (*values_of("ports", workloads),) for port in port}
    assert {port["targetPort"] for each in services.values() for port in each["ports"]} <= ports
    assert {probe["port"] for probe in values_of("httpGet", workloads)} <= ports


def test_every_selector_finds_pods(example):
    pods = labels_of_pods(example)
    selectors = [each["spec"]["selector"] for each in of_kind(example, "Service")]
    selectors += [
        selector["matchLabels"]
        for key in ("selector", "podSelector", "labelSelector")
        for each in of_kind(example, "Deployment", "PodDisruptionBudget", "NetworkPolicy")
        for selector in values_of(key, each)
    ]
    for selector in selectors:
        assert any(selector.items() <= labels.items() for labels in pods), selector


def test_the_stream_and_the_api_select_pods_of_their_own(example):
    for kind in ("Service", "Deployment", "PodDisruptionBudget"):
        selectors = [json.dumps(each["spec"]["selector"]) for each in of_kind(example, kind)]
        assert len(set(selectors)) == len(selectors), kind


def test_the_image_can_dump_the_postgresql_of_compose():
    debian = re.search(r"^ARG PYTHON=python:[\d.]+-slim-(\w+)$", DOCKERFILE, re.MULTILINE)[1]
    server = re.search(r"^    image: postgres:(\d+)$", COMPOSE, re.MULTILINE)[1]
    assert POSTGRESQL_OF[debian] >= int(server)


def test_every_setting_in_manifests_exists(example):
    known = set(SETTINGS)
    everywhere = [each for resource in (*EVERYWHERE, *example) for each in containers(resource)]
    used = {variable["name"] for each in everywhere for variable in each.get("env", [])}
    assert used
    configured = {name for each in of_kind(example, "ConfigMap") for name in each["data"]}
    secrets = set(re.findall(r"--from-literal=([A-Z_]+)", DEPLOYMENT))
    assert secrets
    assert used | configured | secrets <= known
    plain = configured | {
        variable["name"]
        for each in everywhere
        for variable in each.get("env", [])
        if "value" in variable
    }
    secret = {field.name.upper() for field in fields(Config) if not field.repr}
    assert not plain & secret, "secrets are referred to"


def test_the_page_makes_every_secret_that_pods_refer_to(example):
    made = dict(re.findall(r"create secret generic (\S+)((?: \\\n.*)*)", DEPLOYMENT))
    for reference in (*values_of("secretRef", example), *values_of("secretKeyRef", example)):
        assert reference.get("key", "") in made[reference["name"]]


def test_every_command_in_manifests_exists(app, example):
    commands = {
        tuple(each["command"])
        for resource in (*EVERYWHERE, *example)
        for each in containers(resource)
    }
    flask = FlaskGroup()
    with click.Context(flask, obj=ScriptInfo(create_app=lambda: app)) as context:
        for command in commands:
            match command:
                case ("gunicorn", "wsgi:app"):
                    assert 'CMD ["gunicorn", "wsgi:app"]' in DOCKERFILE
                case ("python", "worker.py", role):
                    assert role in ROLES
                case ("flask", name, subcommand):
                    group = flask.get_command(context, name)
                    assert group.get_command(context, subcommand)
                case _:
                    pytest.fail(f"{command} is not known")


def test_probes_ask_what_the_api_and_the_worker_answer(app, example):
    paths = {probe["path"] for probe in values_of("httpGet", [*EVERYWHERE, *example])}
    assert paths == {"/healthz", "/readyz"}
    assert paths <= {str(rule) for rule in app.url_map.iter_rules()}
    commands = [command for each in values_of("exec", example) for command in each["command"]]
    heartbeats = [command for command in commands if "find" in command]
    assert heartbeats
    assert all(f"{HOME}/{HEARTBEAT_FILE} " in command for command in heartbeats)


def test_pods_have_no_rights_and_write_into_their_own_folders_only(example):
    (user,) = re.findall(r"--uid (\d+)", DOCKERFILE)
    for workload in of_kind(example, "Deployment", "Job"):
        spec = pod(workload)
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == int(user)
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        written_to = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert written_to == {HOME, "/tmp"}  # noqa: S108 - of a container of its own


def test_pods_are_given_the_time_that_a_stop_takes(example):
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)", FOR_GUNICORN, re.MULTILINE)
    for deployment in of_kind(example, "Deployment"):
        spec = pod(deployment)
        (container,) = spec["containers"]
        is_api = container["command"][0] == "gunicorn"
        sleeps = sum(each["seconds"] for each in values_of("sleep", container))
        assert bool(sleeps) == is_api
        takes = sleeps + (int(graceful) if is_api else STOP_SECONDS)
        assert spec["terminationGracePeriodSeconds"] > takes


def test_the_autoscaler_and_prometheus_ask_for_what_is_exported(app, example):
    exported = Exported(client_with_token(app).get("/metrics").text).labels()
    (metric,) = [each["metric"] for each in values_of("external", example)]
    assert set(metric["selector"]["matchLabels"]) <= exported[metric["name"]]
    folder = PROJECT / "deploy/kubernetes"
    assert f"seriesQuery: {metric['name']}" in (folder / "prometheus-adapter.yaml").read_text()
    kept = values_of("regex", yaml.safe_load((folder / "prometheus-scrape.yaml").read_text()))
    ports = {port["name"] for each in of_kind(example, "Deployment") for port in _ports(each)}
    assert set(kept) == ports


def _ports(workload: Resource) -> list[dict[str, str]]:
    return [port for container in containers(workload) for port in container["ports"]]


def test_the_autoscaler_counts_no_further_than_the_backlog_is_counted(example):
    (scaled,) = [
        each["spec"]
        for each in of_kind(example, "HorizontalPodAutoscaler")
        if list(values_of("external", each))
    ]
    (target,) = values_of("averageValue", scaled)
    assert scaled["maxReplicas"] * int(target) == MOST_COUNTED
