#include "client/client.h"

#include <gtest/gtest.h>

#include "tests/unit/client/server_double.h"

namespace pingti::client {
namespace {

using testing::ErrorInfoWith;
using testing::ServerDouble;
using testing::StatusWith;

// Far beyond what a test takes; a hang then ends the test binary by ctest's own timeout.
constexpr std::chrono::milliseconds kLong = std::chrono::seconds(100);

Client Connect(const ServerDouble& server, const std::string& key = "pt_test") {
  auto client =
      Client::Create({.target = server.target(), .api_key = key, .default_deadline = kLong});
  EXPECT_TRUE(client.ok());
  return *client;
}

v1::CompletionSpec Spec() {
  v1::CompletionSpec spec;
  spec.set_model("gpt-4o");
  return spec;
}

TEST(Client, SendsTheKeyAndReturnsTheAnswer) {
  ServerDouble server;
  server.generate = [](const auto& request, auto& response) {
    response.set_model(request.spec().model());
    response.add_choices()->set_text("hi");
    return grpc::Status::OK;
  };
  const auto answer = Connect(server).Generate(Spec());
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->model(), "gpt-4o");
  EXPECT_EQ(answer->choices(0).text(), "hi");
  EXPECT_EQ(server.headers().at("authorization"), "Bearer pt_test");
  EXPECT_EQ(server.headers().at("user-agent").rfind("pingti-client/", 0), 0u);
}

TEST(Client, SendsNoAuthorizationWithoutAKey) {
  ServerDouble server;
  server.generate = [](const auto&, auto&) { return grpc::Status::OK; };
  ASSERT_TRUE(Connect(server, "").Generate(Spec()).ok());
  EXPECT_EQ(server.headers().count("authorization"), 0u);
}

TEST(Client, RefusesKeysThatAHeaderCannotCarry) {
  for (const std::string key : {"pt_a\r\nx: y", "pt a", "pt_\xc3\xa4", "pt_\x7f"}) {
    const auto client = Client::Create({.api_key = key});
    ASSERT_FALSE(client.ok());
    EXPECT_EQ(client.error().code, grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(client.error().message.find(key), std::string::npos) << "a key in a message";
  }
  EXPECT_FALSE(Client::Create({.api_key = std::string(5000, 'k')}).ok());
}

TEST(Client, DecodesTheErrorOfACall) {
  ServerDouble server;
  server.generate = [](const auto&, auto&) {
    const auto info = ErrorInfoWith("QUOTA_EXCEEDED", "01J");
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(250'000'000);
    return StatusWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "empty", {&info, &retry});
  };
  const auto answer = Connect(server).Generate(Spec());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().reason, "QUOTA_EXCEEDED");
  EXPECT_EQ(answer.error().request_id, "01J");
  EXPECT_EQ(answer.error().retry_delay, std::chrono::milliseconds(250));
}

TEST(Client, DoesNotRetry) {
  ServerDouble server;
  std::atomic<int> calls{0};
  server.generate = [&calls](const auto&, auto&) {
    ++calls;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy");
  };
  EXPECT_FALSE(Connect(server).Generate(Spec()).ok());
  EXPECT_EQ(calls, 1);
}

TEST(Client, DeadlineEndsACallThatHangs) {
  ServerDouble server;
  server.generate_hangs = true;
  const auto answer = Connect(server).Generate(Spec(), {.deadline = std::chrono::seconds(2)});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, grpc::StatusCode::DEADLINE_EXCEEDED);
  server.WaitForCancel();
}

TEST(Client, DeadlineInThePastEndsAtOnce) {
  ServerDouble server;
  server.generate_hangs = true;
  const auto answer = Connect(server).Generate(Spec(), {.deadline = std::chrono::milliseconds(-5)});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(Client, AnyThreadCancelsACallThatHangs) {
  ServerDouble server;
  std::stop_source stop;
  server.generate_hangs = true;
  server.on_hang = [&stop] { stop.request_stop(); };
  const auto answer = Connect(server).Generate(Spec(), {.cancel = stop.get_token()});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, grpc::StatusCode::CANCELLED);
  server.WaitForCancel();
}

TEST(Client, CancelledBeforeItBeginsIsCancelled) {
  ServerDouble server;
  server.generate_hangs = true;
  std::stop_source stop;
  stop.request_stop();
  const auto answer = Connect(server).Generate(Spec(), {.cancel = stop.get_token()});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, grpc::StatusCode::CANCELLED);
}

TEST(Client, NoServerIsUnavailable) {
  std::string target;
  {
    const ServerDouble server;
    target = server.target();
  }
  const auto client = Client::Create({.target = target, .default_deadline = kLong});
  ASSERT_TRUE(client.ok());
  const auto answer = client->Generate(Spec());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, grpc::StatusCode::UNAVAILABLE);
}

TEST(Client, ListModelsReadsAllPages) {
  ServerDouble server;
  server.models = [](const auto& request, auto& response) {
    const int page = request.page_token().empty() ? 0 : std::stoi(request.page_token());
    response.add_models()->set_name("model-" + std::to_string(page));
    if (page < 2) response.set_next_page_token(std::to_string(page + 1));
    return grpc::Status::OK;
  };
  const auto models = Connect(server).ListModels();
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->size(), 3u);
  EXPECT_EQ(models->back().name(), "model-2");
}

TEST(Client, ListModelsGivesUpOnPagesWithoutEnd) {
  ServerDouble server;
  server.models = [](const auto&, auto& response) {
    response.set_next_page_token("again");
    return grpc::Status::OK;
  };
  const auto models = Connect(server).ListModels();
  ASSERT_FALSE(models.ok());
  EXPECT_EQ(models.error().code, grpc::StatusCode::INTERNAL);
}

TEST(Client, QuotaAndCountPassTheirArguments) {
  ServerDouble server;
  server.quota = [](const auto& request, auto& response) {
    response.set_tenant("acme for " + request.model());
    return grpc::Status::OK;
  };
  server.count = [](const auto& request, auto& response) {
    response.set_upstream_model(request.spec().model() + "!");
    return grpc::Status::OK;
  };
  const Client client = Connect(server);
  const auto quota = client.GetQuota("gpt-4o");
  ASSERT_TRUE(quota.ok());
  EXPECT_EQ(quota->tenant(), "acme for gpt-4o");
  const auto count = client.CountTokens(Spec());
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(count->upstream_model(), "gpt-4o!");
}

TEST(Client, AnswersLargerThanGrpcsDefaultArrive) {
  ServerDouble server;
  server.generate = [](const auto&, auto& response) {
    response.add_choices()->set_text(std::string(8 << 20, 'a'));
    return grpc::Status::OK;
  };
  const auto answer = Connect(server).Generate(Spec());
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->choices(0).text().size(), std::size_t{8} << 20);
}

}  // namespace
}  // namespace pingti::client
