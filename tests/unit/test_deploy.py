"""The examples for Kubernetes and compose: valid by the schemas of the platform, and true to the program they run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from connector.policy.load import load_all

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.29", "1.37")
"""Schemas of the oldest and the newest minor version that the examples are held against."""

MANIFESTS = ("single.yaml", "replicas.yaml", "network.yaml")
SECRETS = {"SF_CLIENT_ID": "id", "SF_CLIENT_SECRET": "secret", "HS_ACCESS_TOKEN": "token"}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def pod_of(name: str) -> dict[str, Any]:
    """The pod that runs the daemon."""
    found = [each for each in documents(name) if each["kind"] in ("StatefulSet", "Deployment")]
    assert len(found) == 1
    spec: dict[str, Any] = found[0]["spec"]["template"]["spec"]
    return spec


def compose() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def mounted(pod: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Config map, its key, and the path under /etc/handoff it comes to lie at."""
    (volume,) = [each for each in pod["volumes"] if each["name"] == "config"]
    for source in volume["projected"]["sources"]:
        for item in source["configMap"]["items"]:
            yield source["configMap"]["name"], item["key"], item["path"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_valid_by_the_platforms_schema(name: str, version: str) -> None:
    for document in documents(name):
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("name", MANIFESTS[:2])
def test_every_shipped_mapping_and_template_is_mounted(name: str) -> None:
    paths = {path for source, _, path in mounted(pod_of(name)) if source != "handoff-config"}
    shipped = {f"mappings/{each.name}" for each in (ROOT / "mappings").glob("*.toml")}
    shipped |= {f"mappings/templates/{each.name}" for each in (ROOT / "mappings/templates").iterdir()}
    assert paths == shipped


@pytest.mark.parametrize("name", MANIFESTS[:2])
def test_a_pod_may_do_no_more_than_it_needs(name: str) -> None:
    pod = pod_of(name)
    (container,) = pod["containers"]
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    assert pod["securityContext"]["runAsUser"] == int(user[1])
    assert pod["securityContext"]["fsGroup"] == int(user[2])
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    (secrets,) = [each for each in pod["volumes"] if each["name"] == "secrets"]
    assert secrets["secret"]["defaultMode"] == 0o440
    assert not any("valueFrom" in each for each in container["env"]), "secrets come as files, never as variables"


@pytest.mark.parametrize("name", MANIFESTS[:2])
def test_probes_ask_what_the_daemon_answers(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert (asked["path"], ports[asked["port"]]) == ("/healthz", 8787)
    for service in (each for each in documents(name) if each["kind"] == "Service"):
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]


@pytest.mark.parametrize("name", MANIFESTS[:2])
def test_the_config_for_the_cluster_is_one_the_daemon_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Laid out as the pod sees it: files where the manifest mounts them, secrets by the variables it sets."""
    text = (KUBERNETES / "config.toml").read_text()
    secrets = {**SECRETS, "WEB_TOKEN": "t" * 64}
    if name == "replicas.yaml":
        text = text.replace("# store_url_env", "store_url_env")
        secrets["STORE_URL"] = "postgresql://handoff:secret@db.example/handoff"
    folder = tmp_path / "secrets"
    folder.mkdir()
    (container,) = pod_of(name)["containers"]
    for key, value in secrets.items():
        (folder / key.lower()).write_text(value)
        (folder / key.lower()).chmod(0o440)
    for each in container["env"]:
        assert each["name"].endswith("_FILE")
        path = folder / Path(each["value"]).name
        assert path.exists(), f"{each['name']} leads to {each['value']}, which README.md never makes"
        monkeypatch.setenv(each["name"], str(path))
    for source, key, path in mounted(pod_of(name)):
        target = tmp_path / "etc" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shipped = {"handoff-mappings": "mappings", "handoff-templates": "mappings/templates"}.get(source)
        moved = text.replace("/run/secrets/handoff", str(folder)).replace("/var/lib/handoff", str(tmp_path))
        target.write_text((ROOT / shipped / key).read_text() if shipped else moved)

    settings, loaded = load_all(tmp_path / "etc" / "config.toml")

    assert {each.name for each in settings.systems} == set(loaded.policies) == {"sf", "hs"}
    assert settings.store_url.get_secret_value().startswith("postgresql" if name == "replicas.yaml" else "sqlite")


def test_compose_runs_with_as_few_rights() -> None:
    services = compose()["services"]
    for name in ("sandbox", "handoff", "replica"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]
        assert service["pids_limit"]
    for name in ("handoff", "replica"):
        for variable, path in services[name]["environment"].items():
            assert variable.endswith("_FILE")
            assert Path(path).name in services[name]["secrets"]
    named = {secret for service in services.values() for secret in service.get("secrets", ())}
    assert named == set(compose()["secrets"])
