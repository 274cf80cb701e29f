#include "client/channel.h"

#include <gtest/gtest.h>

namespace pingti::client {
namespace {

void ExpectTarget(std::string_view target, bool tls, const std::string& address, bool with_tls) {
  const auto resolved = ResolveTarget(target, tls);
  ASSERT_TRUE(resolved.ok()) << target << ": " << resolved.error().message;
  EXPECT_EQ(resolved->address, address);
  EXPECT_EQ(resolved->tls, with_tls);
}

TEST(ResolveTarget, LeavesGrpcTargetsAlone) {
  ExpectTarget("127.0.0.1:50051", false, "127.0.0.1:50051", false);
  ExpectTarget("dns:///pingti.example:50051", true, "dns:///pingti.example:50051", true);
  ExpectTarget("unix:/run/pingti.sock", false, "unix:/run/pingti.sock", false);
}

TEST(ResolveTarget, UrlsSayWhetherThereIsTls) {
  ExpectTarget("https://pingti.example", false, "dns:///pingti.example:443", true);
  ExpectTarget("https://pingti.example:8443/", false, "dns:///pingti.example:8443", true);
  ExpectTarget("http://pingti.example", false, "dns:///pingti.example:80", false);
  ExpectTarget("https://[::1]", false, "dns:///[::1]:443", true);
  ExpectTarget("https://[::1]:50051", false, "dns:///[::1]:50051", true);
}

TEST(ResolveTarget, RefusesWhatItWouldHaveToDrop) {
  for (const char* target : {"", "https://", "https://host/path", "https://host?x",
                             "https://me@host", "host name:1", "host\r\n:1", "h\xc3\xb6st:1"}) {
    const auto resolved = ResolveTarget(target, false);
    ASSERT_FALSE(resolved.ok()) << target;
    EXPECT_EQ(resolved.error().code, grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_FALSE(ResolveTarget("http://host", true).ok());
  EXPECT_FALSE(ResolveTarget(std::string(2000, 'a'), false).ok());
}

TEST(MakeChannel, RefusesSettingsThatCannotBe) {
  ClientOptions options;
  options.user_agent = "a\nb";
  EXPECT_FALSE(MakeChannel(options).ok());
  options = {};
  options.message_bytes_max = 0;
  EXPECT_FALSE(MakeChannel(options).ok());
  options = {};
  options.keepalive_time = std::chrono::milliseconds(0);
  EXPECT_FALSE(MakeChannel(options).ok());
  EXPECT_TRUE(MakeChannel(ClientOptions{}).ok());
}

}  // namespace
}  // namespace pingti::client
