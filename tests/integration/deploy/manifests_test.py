"""deploy/k8s/base as kustomize renders it: valid for Kubernetes, safe, and of one piece with the
server, its configuration and the image.

Environment: PINGTI_SOURCE, the repository; PINGTI_BUILD, the build tree with bin/pingti-server.
"""

import copy
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import kubernetes_validate
import yaml

SOURCE = pathlib.Path(os.environ["PINGTI_SOURCE"])
BUILD = pathlib.Path(os.environ["PINGTI_BUILD"])
BASE = SOURCE / "deploy" / "k8s" / "base"
SERVER = BUILD / "bin" / "pingti-server"

# The first version in which gRPC probes are stable, and the newest whose schemas we have.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]

# Where there is neither kustomize nor kubectl, but Go.
KUSTOMIZE_MODULE = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"


def kustomize_command():
    """The command that renders a folder, or None. Building one takes about two minutes, once."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    built = BUILD / "deploy-tools" / "kustomize"
    if not built.exists() and shutil.which("go"):
        subprocess.run(["go", "install", KUSTOMIZE_MODULE],
                       env={**os.environ, "GOBIN": str(built.parent)}, check=True)
    return [str(built), "build"] if built.exists() else None


def seconds(duration):
    """'8' and 8 are seconds, as are the durations of pingti.yaml: 0s, 10m."""
    match = re.fullmatch(r"(\d+)(s|m|h)?", str(duration))
    return int(match[1]) * {None: 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def is_valid(manifest, version):
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(str(p) for p in error.path)}: {error.message}"
    return ""


def setUpModule():
    global MANIFESTS, CONFIG
    command = kustomize_command()
    if command is None:
        print("no kustomize, kubectl or go: install Debian's kubernetes-client (./dev setup)")
        sys.exit(1 if os.environ.get("CI") else 77)
    rendered = subprocess.run([*command, str(BASE)], check=True, capture_output=True, text=True)
    MANIFESTS = list(yaml.safe_load_all(rendered.stdout))
    CONFIG = yaml.safe_load((BASE / "pingti.yaml").read_text())


def the(kind):
    found = [m for m in MANIFESTS if m["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def pod():
    return the("Deployment")["spec"]["template"]["spec"]


def container():
    (only,) = pod()["containers"]
    return only


class Manifests(unittest.TestCase):
    def test_are_all_there(self):
        kinds = sorted(m["kind"] for m in MANIFESTS)
        self.assertEqual(kinds,
                         ["ConfigMap", "Deployment", "Service", "Service", "ServiceAccount"])

    def test_are_valid_for_kubernetes(self):
        for version in VERSIONS:
            for manifest in MANIFESTS:
                with self.subTest(version=version, kind=manifest["kind"]):
                    self.assertEqual(is_valid(manifest, version), "")

    def test_the_validator_finds_mistakes(self):
        for version in VERSIONS:
            wrong = copy.deepcopy(the("Deployment"))
            wrong["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
            self.assertIn("livenessprobe", is_valid(wrong, version))
            wrong = copy.deepcopy(the("Deployment"))
            wrong["spec"]["replicas"] = "one"
            self.assertIn("replicas", is_valid(wrong, version))

    def test_name_no_namespace(self):
        for manifest in MANIFESTS:
            self.assertNotIn("namespace", manifest["metadata"])

    def test_services_select_the_pods_and_name_their_ports(self):
        labels = the("Deployment")["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(the("Deployment")["spec"]["selector"]["matchLabels"], labels)
        ports = {p["name"]: p["containerPort"] for p in container()["ports"]}
        services = [m for m in MANIFESTS if m["kind"] == "Service"]
        for service in services:
            self.assertLessEqual(service["spec"]["selector"].items(), labels.items())
            for port in service["spec"]["ports"]:
                self.assertEqual(ports[port["targetPort"]], port["port"])
        self.assertEqual(sum(s["spec"].get("clusterIP") == "None" for s in services), 1)


class Security(unittest.TestCase):
    def test_is_what_pod_security_calls_restricted(self):
        context = pod()["securityContext"]
        self.assertIs(context["runAsNonRoot"], True)
        self.assertGreater(context["runAsUser"], 0)
        self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
        own = container()["securityContext"]
        self.assertIs(own["allowPrivilegeEscalation"], False)
        self.assertIs(own["readOnlyRootFilesystem"], True)
        self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            self.assertFalse(pod().get(key))
        for volume in pod()["volumes"]:
            self.assertNotIn("hostPath", volume)

    def test_has_no_token_of_the_cluster(self):
        self.assertIs(pod()["automountServiceAccountToken"], False)
        self.assertIs(the("ServiceAccount")["automountServiceAccountToken"], False)
        self.assertEqual(pod()["serviceAccountName"], the("ServiceAccount")["metadata"]["name"])

    def test_secrets_come_from_secrets(self):
        for variable in container()["env"]:
            self.assertNotIn("value", variable)
            reference = variable["valueFrom"]["secretKeyRef"]
            self.assertIs(reference["optional"], True, variable["name"])
        used = set(re.findall(r"\$\{(\w+)", (BASE / "pingti.yaml").read_text()))
        self.assertEqual({v["name"] for v in container()["env"]}, used)

    def test_memory_is_limited(self):
        resources = container()["resources"]
        self.assertEqual(set(resources["requests"]), {"cpu", "memory"})
        self.assertEqual(set(resources["limits"]), {"cpu", "memory"})


class Life(unittest.TestCase):
    def test_probes_ask_the_grpc_health_service(self):
        port = int(CONFIG["listen"]["grpc"].rsplit(":", 1)[1])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertEqual(container()[probe]["grpc"]["port"], port, probe)
        self.assertIn(port, [p["containerPort"] for p in container()["ports"]])

    def test_prometheus_finds_the_metrics(self):
        annotations = the("Deployment")["spec"]["template"]["metadata"]["annotations"]
        host, port = CONFIG["listen"]["metrics"].rsplit(":", 1)
        self.assertEqual(host, "0.0.0.0")
        self.assertEqual(annotations["prometheus.io/scrape"], "true")
        self.assertEqual(annotations["prometheus.io/port"], port)
        self.assertEqual(annotations["prometheus.io/path"], "/metrics")

    def test_the_end_has_time_for_the_longest_stream(self):
        sleep, pre_stop = container()["lifecycle"]["preStop"]["exec"]["command"]
        self.assertEqual(sleep, "sleep")
        self.assertIn(seconds(pre_stop), range(5, 11))
        drain_delay = seconds(CONFIG["server"]["drain_delay"])
        drain_grace = seconds(CONFIG["server"]["drain_grace"])
        self.assertGreaterEqual(drain_grace, seconds(CONFIG["timeouts"]["total"]))
        self.assertGreaterEqual(pod()["terminationGracePeriodSeconds"],
                                seconds(pre_stop) + drain_delay + drain_grace + 10)

    def test_a_changed_configuration_is_a_new_rollout(self):
        name = the("ConfigMap")["metadata"]["name"]
        self.assertRegex(name, r"^pingti-config-[0-9a-z]{10}$")
        (volume,) = pod()["volumes"]
        self.assertEqual(volume["configMap"]["name"], name)

    def test_the_server_accepts_the_configuration(self):
        # As in the pod, but for the catalogue, which lies elsewhere in the image.
        (mount,) = container()["volumeMounts"]
        (option, path) = container()["args"]
        self.assertEqual(option, "--config")
        self.assertEqual(path, f"{mount['mountPath']}/pingti.yaml")
        text = the("ConfigMap")["data"]["pingti.yaml"]
        in_image = "/usr/share/pingti/catalogue.yaml"
        self.assertIn(f"catalogue_file: {in_image}\n", text)
        text = text.replace(in_image, str(SOURCE / "config" / "catalogue.yaml"))
        names = [v["name"] for v in container()["env"]]
        plain = {k: v for k, v in os.environ.items() if k not in names}
        record = f"pt_abcd1234:{'0' * 64}"
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "pingti.yaml"
            file.write_text(text)
            check = [str(SERVER), "--check-config", str(file)]
            for name in names:
                if name == "PINGTI_DEFAULT_KEY_RECORD":
                    continue
                some = {**plain, name: "sk-test", "PINGTI_DEFAULT_KEY_RECORD": record}
                run = subprocess.run(check, env=some, capture_output=True, text=True, timeout=20)
                self.assertEqual(run.returncode, 0, f"{name}: {run.stdout}{run.stderr}")
            # Without any key it says so, and the pod does not start.
            run = subprocess.run(check, env=plain, capture_output=True, text=True, timeout=20)
            self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
            self.assertIn("provider", run.stdout + run.stderr)


class Image(unittest.TestCase):
    def setUp(self):
        self.file = (SOURCE / "deploy" / "Containerfile").read_text()

    def test_has_the_version_of_the_project(self):
        version = re.search(r"project\(pingti VERSION (\S+)",
                            (SOURCE / "CMakeLists.txt").read_text())[1]
        self.assertEqual(container()["image"], f"pingti:{version}")
        self.assertIn(f"pingti:{version} .", self.file)

    def test_copies_what_there_is(self):
        copies = re.findall(r"^COPY (?!--from)(.+) \S+$", self.file, re.MULTILINE)
        self.assertTrue(copies)
        for path in " ".join(copies).split():
            self.assertTrue((SOURCE / path).exists(), path)

    def test_runs_as_the_user_of_the_pod(self):
        context = pod()["securityContext"]
        self.assertIn(f"\nUSER {context['runAsUser']}:{context['runAsGroup']}\n", self.file)

    @unittest.skipUnless(shutil.which("dpkg-query"), "not Debian")
    def test_finds_the_packages_of_the_libraries(self):
        tool = str(SOURCE / "deploy" / "runtime-packages")
        run = subprocess.run([tool, str(SERVER)], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        packages = run.stdout.split()
        self.assertEqual(packages, sorted(set(packages)))
        for prefix in ("libc6", "libcurl4", "libevent", "libssl3", "libprometheus-cpp-pull"):
            self.assertTrue(any(p.startswith(prefix) for p in packages), f"{prefix}: {packages}")
        run = subprocess.run([tool, "/nonexistent"], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(run.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
