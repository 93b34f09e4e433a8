"""Settings from the environment."""

from __future__ import annotations

import re

import pytest

from labkit.errors import BadSetting
from labkit.settings import Settings


def test_nothing_set_gives_the_defaults():
    assert Settings.from_environment({"HOME": "/x"}) == Settings()


def test_values_are_converted():
    settings = Settings.from_environment({"LABKIT_ACCOUNT_CONCURRENCY": "7", "LABKIT_IDLE_TIMEOUT_S": "1.5"})
    assert (settings.account_concurrency, settings.idle_timeout_s) == (7, 1.5)


@pytest.mark.parametrize(
    ("variables", "prefix"),
    [
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}, "/user/ada/"),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada@example.org/lab-1"}, "/user/ada@example.org/lab-1/"),
        (
            {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "LABKIT_PROXY_PREFIX": "/jupyterlab/default/"},
            "/jupyterlab/default/",
        ),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "LABKIT_PROXY_PREFIX": ""}, ""),
        ({}, ""),
    ],
)
def test_a_hub_says_where_its_proxy_is_and_the_setting_has_the_last_word(variables, prefix):
    assert Settings.from_environment(variables).proxy_prefix == prefix


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LABKIT_PROXY_PREFIX", "user/ada", "begins and ends with /"),
        ("LABKIT_REGOIN", "x", "Did you mean LABKIT_REGION"),
        ("LABKIT_ACCOUNT_CONCURRENCY", "many", "'many' is not a number"),
        ("LABKIT_ACCOUNT_CONCURRENCY", "0", "at least 1"),
        ("LABKIT_ACCOUNT_ID", "12", "12 digits"),
        ("LABKIT_RUNTIME_CLIENT", "mine", "auto, awslambdaric, native, fallback"),
        ("LABKIT_NETWORK_RULES", "none", "auto, hook"),
        ("LABKIT_IDLE_TIMEOUT_S", "-1", "above 0"),
        ("LABKIT_SOLUTIONS", "shut", "attempts, open, locked"),
        ("LABKIT_ACCESS_KEY_ID", "AKIA", "go together"),
        ("LABKIT_SECRET_ACCESS_KEY", "s3cret", r"\(not shown\): .* go together"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_would_be_right(name, value, said):
    with pytest.raises(BadSetting, match=said):
        Settings.from_environment({name: value})


def test_credentials_are_made_where_none_are_set_and_differ_each_time():
    one, other = Settings().with_credentials(), Settings().with_credentials()
    assert re.fullmatch("AKIA[A-Z2-7]{16}", one.access_key_id)
    assert len(one.secret_access_key) == 40
    assert (one.access_key_id, one.secret_access_key) != (other.access_key_id, other.secret_access_key)


def test_another_process_gets_all_settings_by_its_variables():
    settings = Settings(
        "210987654321",
        "eu-west-1",
        "",
        7,
        1.5,
        "fallback",
        "hook",
        "local",
        "all",
        "AKIALAB",
        "s3cret",
        "/user/ada/",
        "/scratch",
        "/p",
        "open",
    )
    assert Settings.from_environment(settings.variables()) == settings


def test_credentials_that_are_set_stay():
    settings = Settings(access_key_id="AKIALAB", secret_access_key="s3cret")
    assert settings.with_credentials() == settings
