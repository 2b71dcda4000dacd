"""Alerts, dashboard and their containers: each belongs to the others."""

import re
import subprocess

import pytest
import yaml

from billor.embedded.launcher import PROJECT
from billor.health.checks import OUTBOX_LATE_SECONDS, UNRECORDED_LATE_SECONDS
from tests.support.exported import ALERTS, alerts
from tests.support.prometheus import program

ALERT_TESTS = ALERTS.parent / "alerts_test.yml"
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
MONITORING = {
    name: service
    for name, service in COMPOSE["services"].items()
    if "monitoring" in service.get("profiles", ())
}


def test_each_alert_fires_when_it_should_and_only_then():
    promtool = program("promtool")
    done = subprocess.run(
        [promtool, "test", "rules", ALERT_TESTS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested():
    tested = set(re.findall(r'alertname="(\w+)"', ALERT_TESTS.read_text()))
    assert tested == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_each_alert_names_its_entry_in_the_runbook(alert):
    words = re.findall(r"[A-Z][a-z]+", alert["alert"].removeprefix("Billor"))
    anchor = "-".join(words).lower()
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{anchor}"
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in ("critical", "warning")


def test_alerts_are_late_when_readiness_says_so():
    expressions = {alert["alert"]: alert["expr"] for alert in alerts()}
    assert expressions["BillorOutboxLate"].endswith(f"> {OUTBOX_LATE_SECONDS}")
    assert expressions["BillorUnrecordedLate"].endswith(f"> {UNRECORDED_LATE_SECONDS}")


def test_the_monitoring_profile_mounts_what_exists():
    assert set(MONITORING) == {"metrics-token", "prometheus", "grafana"}
    for service in MONITORING.values():
        for mounted in service["volumes"]:
            source = mounted.split(":")[0]
            is_file = source.startswith("./")
            assert (PROJECT / source).exists() if is_file else source in COMPOSE["volumes"], source


@pytest.mark.parametrize(
    ("token", "said"), [("", "billor: set METRICS_TOKEN in .env\n"), ("a-token-of-prometheus", "")]
)
def test_prometheus_is_not_started_without_a_token(token, said):
    check = [word.replace("$$", "$") for word in MONITORING["metrics-token"]["command"]]
    done = subprocess.run(
        check, env={"METRICS_TOKEN": token}, stdout=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (bool(said), said)
    needed = MONITORING["prometheus"]["depends_on"]["metrics-token"]["condition"]
    assert needed == "service_completed_successfully"


def test_prometheus_scrapes_the_containers_of_api_and_worker():
    configuration = yaml.safe_load((ALERTS.parent / "prometheus.yml").read_text())
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in configuration["scrape_configs"]
    }
    settings = COMPOSE["services"]["worker"]["environment"]
    assert targets == {
        "billor-api": ["api:8000"],
        "billor-worker": [f"worker:{settings['METRICS_PORT']}"],
    }
    script = MONITORING["prometheus"]["command"][0]
    for job in configuration["scrape_configs"]:
        assert f">{job['authorization']['credentials_file']}" in script
