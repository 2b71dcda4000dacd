"""`flask seed`: harmless to repeat, and nobody keeps the password that everybody knows."""

from dataclasses import replace

import pytest

from billor.seed import DRIVERS, LOADS, SeedRefused, seed_database


def log_in(anonymous, email: str, password: str) -> int:
    return anonymous.post("/auth/login", {"email": email, "password": password}).status_code


@pytest.mark.usefixtures("context")
def test_seeding_again_changes_nothing(config):
    assert seed_database(config) == {"users": 1, "drivers": len(DRIVERS), "loads": len(LOADS)}
    assert seed_database(config) == {"users": 0, "drivers": 0, "loads": 0}


@pytest.mark.usefixtures("context")
def test_a_better_password_replaces_the_one_that_everybody_knows(config, anonymous):
    seed_database(config)
    better = replace(config, environment="production", demo_password="something-better")
    seed_database(better)
    assert log_in(anonymous, config.demo_email, config.demo_password) == 401
    assert log_in(anonymous, config.demo_email, "something-better") == 200


@pytest.mark.usefixtures("context")
def test_the_default_password_is_refused_in_production(config):
    with pytest.raises(SeedRefused, match="DEMO_PASSWORD"):
        seed_database(replace(config, environment="production"))


def test_the_command_tells_what_it_made(app):
    runner = app.test_cli_runner()
    assert "1 users, 3 drivers, 4 loads created." in runner.invoke(args=["seed"]).output
    again = runner.invoke(args=["seed"])
    assert again.exit_code == 0
    assert "0 users, 0 drivers, 0 loads created." in again.output
