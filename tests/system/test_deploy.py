"""The files of deploy/ and docker-compose.yml fit each other, and Billor."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest
import yaml
from flask.cli import FlaskGroup, ScriptInfo

from billor.config import SETTINGS
from billor.health.checks import OUTBOX_LATE_SECONDS, UNRECORDED_LATE_SECONDS
from billor.worker.main import HEARTBEAT_FILE, STOP_SECONDS
from scripts.launcher.launcher import PROJECT

DEPLOY = PROJECT / "deploy"
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((DEPLOY / "grafana/billor.json").read_text())["panels"]
SCRAPED = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]

FIXED_IN_COMPOSE = {
    *("BILLOR_HOME", "BIND", "PORT", "DATABASE_MIGRATION_URL"),
    *("PUBSUB_TOPIC", "PUBSUB_SUBSCRIPTION", "COUCHDB_DATABASE"),
}


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


@pytest.fixture(scope="module")
def base() -> list[dict]:
    """What `kubectl apply -k` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: deploy/kubernetes is NOT tested")
    rendered = subprocess.check_output(["kubectl", "kustomize", DEPLOY / "kubernetes"], text=True)
    return list(yaml.safe_load_all(rendered))


@pytest.fixture(scope="module")
def pods(base) -> dict[str, dict]:
    """The pods by their component."""
    templates = [each["spec"]["template"] for each in base if each["kind"] in ("Deployment", "Job")]
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in templates}


def test_the_base_has_every_part(base, pods):
    assert set(pods) == {"api", "worker", "migrate"}
    kinds = {each["kind"] for each in base} - {"Deployment", "Job"}
    assert kinds == {"Service", "ServiceAccount", "NetworkPolicy", "ConfigMap"}
    known = set(SETTINGS)
    configured = {name for data in values_of("data", base) for name in data}
    assert configured | {each["name"] for env in values_of("env", base) for each in env} <= known


def test_services_and_policies_find_pods_and_ports(base, pods):
    ports = {port["name"] for each in values_of("ports", list(pods.values())) for port in each}
    for service in (each["spec"] for each in base if each["kind"] == "Service"):
        labels = pods["api"]["metadata"]["labels"]
        assert service["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["ports"]} <= ports
    assert {probe["port"] for probe in values_of("httpGet", base)} <= ports


def test_pods_run_known_commands_without_rights(app, pods):
    commands = {name: pod["spec"]["containers"][0]["command"] for name, pod in pods.items()}
    assert f"CMD {json.dumps(commands['api'])}" in DOCKERFILE
    assert commands["worker"] == ["python", "worker.py"]
    with click.Context(FlaskGroup(), obj=ScriptInfo(create_app=lambda: app)) as context:
        _, group, command = commands["migrate"]
        assert FlaskGroup().get_command(context, group).get_command(context, command)
    for pod in pods.values():
        (container,) = pod["spec"]["containers"]
        user = pod["spec"]["securityContext"]
        assert (user["runAsNonRoot"], f"--uid {user['runAsUser']}" in DOCKERFILE) == (True, True)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_pods_have_the_time_that_a_stop_takes_and_probes_that_are_answered(app, pods):
    configuration = (PROJECT / "gunicorn.conf.py").read_text()
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)", configuration, re.MULTILINE)
    sleep = sum(each["seconds"] for each in values_of("sleep", pods["api"]))
    assert pods["api"]["spec"]["terminationGracePeriodSeconds"] > int(graceful) + sleep
    assert pods["worker"]["spec"]["terminationGracePeriodSeconds"] > STOP_SECONDS
    paths = {probe["path"] for probe in values_of("httpGet", pods["api"])}
    assert paths <= {str(rule) for rule in app.url_map.iter_rules()}
    (check, *_) = values_of("exec", pods["worker"])
    assert f"/var/lib/billor/{HEARTBEAT_FILE} " in check["command"][-1]


def test_alerts_and_dashboard_read_what_is_exported():
    modules = ("observe/metrics.py", "health/routes.py")
    source = "".join((PROJECT / "billor" / module).read_text() for module in modules)
    expressions = [alert["expr"] for alert in ALERTS]
    expressions += [target["expr"] for panel in PANELS for target in panel["targets"]]
    read = {name for each in expressions for name in re.findall(r"\bbillor_\w+", each)}
    assert len(read) > 8
    for name in read:
        assert f'"{re.sub("_(bucket|count|sum)$", "", name)}"' in source, name


def test_alerts_agree_with_readiness_and_lead_to_the_runbook():
    expressions = {alert["alert"]: alert["expr"] for alert in ALERTS}
    assert expressions["BillorOutboxLate"].endswith(f"> {OUTBOX_LATE_SECONDS}")
    assert expressions["BillorUnrecordedLate"].endswith(f"> {UNRECORDED_LATE_SECONDS}")
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        headings = re.findall(r"^##+ (.+)$", (PROJECT / page).read_text(), re.MULTILINE)
        anchors = {heading.lower().replace(" ", "-") for heading in headings}
        assert anchor in anchors, alert["alert"]


def test_the_containers_of_compose_are_scraped_and_mount_what_exists():
    (api,), (worker,) = (job["static_configs"][0]["targets"] for job in SCRAPED)
    assert api == "api:8000"
    assert worker == f"worker:{COMPOSE['worker']['environment']['METRICS_PORT']}"
    passed = COMPOSE["api"]["environment"].keys()
    assert set(SETTINGS) - passed == FIXED_IN_COMPOSE, "nobody can set it with Docker"
    for service in COMPOSE.values():
        for mounted in service.get("volumes", []):
            source = mounted.split(":")[0]
            assert not source.startswith("./") or (PROJECT / source).exists(), source


@pytest.mark.parametrize(
    ("token", "said"), [("", "billor: set METRICS_TOKEN in .env\n"), ("a-token-of-prometheus", "")]
)
def test_prometheus_is_not_started_without_a_token(token, said):
    check = [word.replace("$$", "$") for word in COMPOSE["metrics-token"]["command"]]
    done = subprocess.run(
        check, env={"METRICS_TOKEN": token}, stdout=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (bool(said), said)
