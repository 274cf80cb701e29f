#include "server/rpc/status.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/base/text.h"

namespace pingti::rpc {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// What a caller reads from the trailers.
class Details {
 public:
  explicit Details(const grpc::Status& status) {
    EXPECT_TRUE(decoded_.ParseFromString(status.error_details()));
  }
  const google::rpc::Status& status() const { return decoded_; }
  template <typename T>
  std::optional<T> Get() const {
    std::optional<T> found;
    for (const auto& any : decoded_.details()) {
      T detail;
      if (!any.UnpackTo(&detail)) continue;
      EXPECT_FALSE(found.has_value()) << detail.GetTypeName() << " twice";
      found = detail;
    }
    return found;
  }

 private:
  google::rpc::Status decoded_;
};

model::CallError Error(model::ErrorReason reason) {
  model::CallError error;
  error.reason = reason;
  error.message = "in words";
  return error;
}

TEST(ToStatusTest, AlwaysHasReasonDomainAndRequestId) {
  for (int i = 1; i < model::kErrorReasonCount; ++i) {
    const auto reason = static_cast<model::ErrorReason>(i);
    const grpc::Status status = ToStatus(Error(reason), "id-1");
    EXPECT_EQ(static_cast<int>(status.error_code()),
              static_cast<int>(model::ErrorReasonCode(reason)));
    EXPECT_EQ(status.error_message(), "in words");
    const Details details(status);
    EXPECT_EQ(details.status().code(), status.error_code());
    EXPECT_EQ(details.status().message(), "in words");
    const auto info = details.Get<google::rpc::ErrorInfo>();
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->domain(), "pingti");
    EXPECT_EQ(info->reason(), std::string(model::ErrorReasonName(reason)));
    EXPECT_EQ(info->metadata().at("request_id"), "id-1");
    EXPECT_EQ(details.Get<google::rpc::RequestInfo>()->request_id(), "id-1");
    EXPECT_FALSE(details.Get<google::rpc::RetryInfo>().has_value());
    EXPECT_FALSE(details.Get<google::rpc::QuotaFailure>().has_value());
    EXPECT_FALSE(details.Get<google::rpc::BadRequest>().has_value());
  }
}

TEST(ToStatusTest, CarriesMetadata) {
  model::CallError error = Error(model::ErrorReason::kModelUnknown);
  error.metadata = {{"model", "gpt-5"}, {"near", "gpt-4o"}};
  const auto info = Details(ToStatus(error, "id-1")).Get<google::rpc::ErrorInfo>();
  EXPECT_THAT(info->metadata(), UnorderedElementsAre(Pair("model", "gpt-5"), Pair("near", "gpt-4o"),
                                                     Pair("request_id", "id-1")));
}

TEST(ToStatusTest, CarriesQuotaAndExactRetryDelay) {
  model::CallError error = Error(model::ErrorReason::kQuotaExceeded);
  error.retry_delay = absl::Microseconds(8'571'429);
  error.quotas.push_back({"tenant:acme/class:gpt-4o", "limit 7"});
  const grpc::Status status = ToStatus(error, "id-1");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  const Details details(status);
  const auto retry = details.Get<google::rpc::RetryInfo>();
  ASSERT_TRUE(retry.has_value());
  EXPECT_EQ(retry->retry_delay().seconds(), 8);
  EXPECT_EQ(retry->retry_delay().nanos(), 571'429'000);
  const auto quota = details.Get<google::rpc::QuotaFailure>();
  ASSERT_TRUE(quota.has_value());
  ASSERT_EQ(quota->violations_size(), 1);
  EXPECT_EQ(quota->violations(0).subject(), "tenant:acme/class:gpt-4o");
  EXPECT_EQ(quota->violations(0).description(), "limit 7");
}

TEST(ToStatusTest, CarriesTheBadFields) {
  model::CallError error = Error(model::ErrorReason::kFieldInvalid);
  error.fields = {{"spec.model", "is empty"}, {"spec.user", "is long"}};
  const auto bad = Details(ToStatus(error, "id-1")).Get<google::rpc::BadRequest>();
  ASSERT_TRUE(bad.has_value());
  ASSERT_EQ(bad->field_violations_size(), 2);
  EXPECT_EQ(bad->field_violations(0).field(), "spec.model");
  EXPECT_EQ(bad->field_violations(1).description(), "is long");
}

TEST(ToStatusTest, StaysBelowWhatTrailersMayHave) {
  model::CallError error = Error(model::ErrorReason::kModelUnknown);
  error.message = std::string(100'000, 'm');
  error.metadata["model"] = std::string(100'000, 'm');
  for (int i = 0; i < 10; ++i) error.fields.push_back({"spec.x", std::string(100'000, 'd')});
  const grpc::Status status = ToStatus(error, "id-1");
  EXPECT_EQ(status.error_message().size(), 1024u);
  EXPECT_LT(status.error_details().size(), 8u * 1024);
}

TEST(ToStatusTest, CutsALongMessageBetweenCharacters) {
  for (size_t lead = 0; lead < 4; ++lead) {
    model::CallError error = Error(model::ErrorReason::kModelUnknown);
    error.message = std::string(lead, 'x');
    for (int i = 0; i < 1'000; ++i) error.message += "你";
    const grpc::Status status = ToStatus(error, "id-1");
    EXPECT_TRUE(base::IsValidUtf8(status.error_message())) << lead;
    EXPECT_LE(status.error_message().size(), 1024u);
    EXPECT_TRUE(base::IsValidUtf8(Details(status).status().message())) << lead;
  }
}

}  // namespace
}  // namespace pingti::rpc
