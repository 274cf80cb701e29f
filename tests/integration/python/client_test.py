"""A running server as Python's grpcio sees it.

Environment: PINGTI_SOURCE, the repository; PINGTI_BUILD, the build tree with bin/; PROTOC and
GRPC_PYTHON_PLUGIN, which compile the protocol when this starts; PYTHONPATH with programs.py;
PINGTI_TEST_SLOWDOWN, how much slower than a release build the programs may be.
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import grpc

from programs import Program

SOURCE = pathlib.Path(os.environ["PINGTI_SOURCE"])
BIN = pathlib.Path(os.environ["PINGTI_BUILD"]) / "bin"
SLOWDOWN = float(os.environ.get("PINGTI_TEST_SLOWDOWN", "1"))
WAIT_SECONDS = 20 * SLOWDOWN
ABORT_SECONDS = 0.1 * SLOWDOWN
ABORT_TRIES = 3
MIB = 1 << 20

GENERATED = tempfile.TemporaryDirectory()


def compile_protocol():
    proto = SOURCE / "proto"
    subprocess.run(
        [os.environ["PROTOC"], f"-I{proto}", f"--python_out={GENERATED.name}",
         f"--grpc_out={GENERATED.name}",
         f"--plugin=protoc-gen-grpc={os.environ['GRPC_PYTHON_PLUGIN']}",
         *(str(file.relative_to(proto)) for file in sorted(proto.rglob("*.proto")))], check=True)
    sys.path.insert(0, GENERATED.name)


compile_protocol()
# pylint: disable=wrong-import-position
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from pingti.v1 import completion_service_pb2 as pb  # noqa: E402
from pingti.v1 import completion_service_pb2_grpc  # noqa: E402
from pingti.v1 import content_pb2, models_service_pb2, models_service_pb2_grpc  # noqa: E402
from pingti.v1 import usage_pb2  # noqa: E402


def make_key():
    made = subprocess.run([BIN / "pingti-server", "--make-key"], check=True, capture_output=True,
                          text=True).stdout
    return (re.search(r"^key: (\S+)$", made, re.MULTILINE)[1],
            re.search(r"^record: (\S+)$", made, re.MULTILINE)[1])


def ask(prompt):
    part = content_pb2.ContentPart(text=prompt)
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[part])
    return content_pb2.CompletionSpec(model="chat", messages=[message])


def details_of(error):
    """The google.rpc details of an error, by the name of their type."""
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    found = {}
    for detail in status.details:
        name = detail.type_url.rsplit(".", 1)[1]
        message = getattr(error_details_pb2, name)()
        assert detail.Unpack(message)
        found[name] = message
    return found


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = Program([BIN / "simulated-provider", "--port", "0"],
                               [r"^listening on 127\.0\.0\.1:(\d+)"])
        cls.addClassCleanup(cls.provider.stop)
        cls.provider_url = f"http://127.0.0.1:{cls.provider.ports[0]}"
        cls.key, acme = make_key()
        cls.tiny_key, tiny = make_key()
        environment = dict(os.environ, PINGTI_SIMULATED_PROVIDER_URL=cls.provider_url + "/v1",
                           PINGTI_TEST_ACME=acme, PINGTI_TEST_TINY=tiny)
        cls.server = Program(
            [BIN / "pingti-server", "--config", SOURCE / "tests/integration/clients.yaml",
             "--grpc", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
            [r"^grpc listening on 127\.0\.0\.1:(\d+)"], env=environment)
        cls.addClassCleanup(cls.stop_server)
        cls.channel = grpc.insecure_channel(
            f"127.0.0.1:{cls.server.ports[0]}",
            options=[("grpc.max_send_message_length", -1)])
        cls.addClassCleanup(cls.channel.close)
        cls.stub = completion_service_pb2_grpc.CompletionStub(cls.channel)

    @classmethod
    def stop_server(cls):
        code = cls.server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code}:\n{cls.server.output()}")

    def setUp(self):
        urllib.request.urlopen(self.provider_url + "/sim/reset", data=b"").close()

    def options(self, key=None, timeout=WAIT_SECONDS):
        return {"metadata": [("authorization", f"Bearer {key or self.key}")], "timeout": timeout}

    def unary(self, spec, **kwargs):
        return self.stub.GenerateCompletion.with_call(pb.GenerateCompletionRequest(spec=spec),
                                                      **self.options(**kwargs))

    def stream(self, spec, **kwargs):
        return self.stub.StreamCompletion(pb.StreamCompletionRequest(spec=spec),
                                          **self.options(**kwargs))

    def refused(self, spec, **kwargs):
        with self.assertRaises(grpc.RpcError) as caught:
            self.unary(spec, **kwargs)
        return caught.exception

    def last_requests(self):
        with urllib.request.urlopen(self.provider_url + "/sim/requests?last=1") as answer:
            return json.load(answer)

    def wait_for_disconnect(self):
        """When the provider saw that its client had gone, on time.monotonic()'s clock."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            for request in self.last_requests():
                if request["disconnect_ns"] != 0:
                    return request["disconnect_ns"] / 1e9
        return self.fail("the provider never saw a disconnect")

    def assert_aborts_soon(self, aborted_after):
        """The best of a few tries: a busy machine says nothing about the server."""
        took = []
        while not took or (min(took) >= ABORT_SECONDS and len(took) < ABORT_TRIES):
            self.setUp()  # the provider forgets the requests before
            took.append(aborted_after())
        self.assertLess(min(took), ABORT_SECONDS, took)

    def test_unary(self):
        answer, call = self.unary(ask("What is the weather?"))
        self.assertEqual(len(answer.choices), 1)
        self.assertIn('You said: "What is the weather?"', answer.choices[0].text)
        self.assertEqual(answer.choices[0].finish_reason, usage_pb2.FINISH_REASON_STOP)
        self.assertEqual(answer.usage.source, usage_pb2.USAGE_SOURCE_MEASURED)
        self.assertEqual(answer.usage.output_tokens, (len(answer.choices[0].text) + 3) // 4)
        self.assertFalse(answer.HasField("cost"))
        self.assertEqual(call.code(), grpc.StatusCode.OK)

    def test_stream_has_the_text_of_the_unary_answer(self):
        answer, _ = self.unary(ask("Say something long"))
        call = self.stream(ask("Say something long"))
        kinds, text = [], ""
        for event in call:
            kinds.append(event.WhichOneof("event"))
            if kinds[-1] == "delta":
                text += event.delta.text
        self.assertEqual(kinds[0], "started")
        self.assertEqual(kinds[-1], "finished")
        self.assertEqual(set(kinds[1:-1]), {"delta"})
        self.assertEqual(text, answer.choices[0].text)
        self.assertEqual(event.finished.usage, answer.usage)
        self.assertEqual(call.code(), grpc.StatusCode.OK)

    def test_chinese_text(self):
        prompt = "你好，平替是什么？🐼[sim:chunk_bytes=1]"
        answer, _ = self.unary(ask(prompt))
        text = "".join(event.delta.text for event in self.stream(ask(prompt)))
        self.assertIn("你好，平替是什么？🐼", text)
        self.assertEqual(text, answer.choices[0].text)

    def test_cancel_after_the_first_response(self):
        def aborted_after():
            call = self.stream(ask("Endless [sim:chunk_interval_ms=20,chunks=3000]"))
            self.assertEqual(next(call).WhichOneof("event"), "started")
            cancelled = time.monotonic()
            call.cancel()
            with self.assertRaises(grpc.RpcError):
                for _ in call:
                    pass
            self.assertEqual(call.code(), grpc.StatusCode.CANCELLED)
            return self.wait_for_disconnect() - cancelled

        self.assert_aborts_soon(aborted_after)

    def test_deadline_of_a_slow_answer(self):
        def aborted_after():
            timeout = 1 * SLOWDOWN
            due = time.monotonic() + timeout
            error = self.refused(ask("Slow [sim:latency_ms=60000]"), timeout=timeout)
            self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
            return self.wait_for_disconnect() - due

        self.assert_aborts_soon(aborted_after)

    def test_image_of_5_mb_passes(self):
        spec = ask("What is this?")
        image = os.urandom(5 * MIB)
        spec.messages[0].parts.add().image.data = image
        spec.messages[0].parts[1].image.media_type = "image/png"
        answer, _ = self.unary(spec)
        self.assertTrue(answer.choices[0].text)
        # The provider keeps the beginning of what it got.
        self.assertIn(base64.b64encode(image[:30_000]).decode(), self.last_requests()[0]["body"])

    def test_message_of_25_mb_is_refused(self):
        spec = ask("What is this?")
        spec.messages[0].parts.add().image.data = bytes(25 * MIB)
        error = self.refused(spec)
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        answer, _ = self.unary(ask("Still there?"))  # on the same connection
        self.assertTrue(answer.choices)

    def test_image_over_the_limit_names_the_field(self):
        spec = ask("What is this?")
        spec.messages[0].parts.add().image.data = bytes(11 * MIB)
        spec.messages[0].parts[1].image.media_type = "image/png"
        error = self.refused(spec)
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        field = details_of(error)["BadRequest"].field_violations[0].field
        self.assertEqual(field, "spec.messages[0].parts[1].image.data")

    def test_metadata(self):
        answer, call = self.unary(ask("Hello"))
        initial = dict(call.initial_metadata())
        self.assertEqual(initial["x-request-id"], answer.request_id)
        self.assertEqual(initial["x-ratelimit-limit-requests"], "1000000")
        self.assertLess(int(initial["x-ratelimit-remaining-requests"]), 1000000)
        self.assertEqual(initial["x-ratelimit-limit-tokens"], "100000000")
        self.assertRegex(initial["x-ratelimit-reset-tokens"], r"^[0-9.]+m?s$")

    def test_details_of_a_bad_field(self):
        spec = ask("Hello")
        spec.sampling.temperature = 9
        spec.request_id = "my-call"
        error = self.refused(spec)
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        details = details_of(error)
        self.assertEqual(details["ErrorInfo"].reason, "FIELD_INVALID")
        self.assertEqual(details["ErrorInfo"].domain, "pingti")
        self.assertEqual(details["BadRequest"].field_violations[0].field,
                         "spec.sampling.temperature")
        self.assertTrue(details["ErrorInfo"].metadata["request_id"])

    def test_details_of_an_empty_bucket(self):
        self.unary(ask("Hello"), key=self.tiny_key)
        error = self.refused(ask("Hello"), key=self.tiny_key)
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        details = details_of(error)
        self.assertEqual(details["ErrorInfo"].reason, "QUOTA_EXCEEDED")
        self.assertGreater(details["RetryInfo"].retry_delay.ToSeconds(), 50)
        self.assertLessEqual(details["RetryInfo"].retry_delay.ToSeconds(), 60)
        self.assertEqual(details["QuotaFailure"].violations[0].subject, "tenant:tiny/class:chat")
        self.assertEqual(dict(error.initial_metadata())["x-ratelimit-remaining-requests"], "0")

    def test_no_key(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.stub.GenerateCompletion(pb.GenerateCompletionRequest(spec=ask("Hello")),
                                         timeout=WAIT_SECONDS)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
        self.assertEqual(details_of(caught.exception)["ErrorInfo"].reason, "KEY_MISSING")

    def test_cut_stream_is_an_error_with_the_usage_so_far(self):
        call = self.stream(ask("Cut [sim:fault=18]"))
        kinds = []
        with self.assertRaises(grpc.RpcError):
            for event in call:
                kinds.append(event.WhichOneof("event"))
        self.assertIn("delta", kinds)
        self.assertNotIn("finished", kinds)
        self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE)
        info = details_of(call)["ErrorInfo"]
        self.assertEqual(info.reason, "ANSWER_INCOMPLETE")
        self.assertGreater(int(info.metadata["output_tokens"]), 0)

    def test_models(self):
        stub = models_service_pb2_grpc.ModelsStub(self.channel)
        models = stub.ListModels(models_service_pb2.ListModelsRequest(), **self.options()).models
        self.assertEqual([model.name for model in models], ["chat"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
