// The simulated provider behind TLS, as libcurl sees it: what ALPN agrees on, that a fault is told
// by the host that the client names, and that it is this fault for which libcurl ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>

#include "tests/integration/process.h"
#include "tests/upstream/curl_transfer.h"

namespace pingti::upstream {
namespace {

using ::testing::HasSubstr;

constexpr long kStallMs = 300;

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "pingti-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    ca_file_ = folder + "/ca.pem";
    provider_ = std::make_unique<integration::Process>(
        std::vector<std::string>{PINGTI_SIMULATED_PROVIDER, "--port", "0", "--tls-ca", ca_file_});
    const auto line = provider_->WaitForOutput(
        [](std::string_view text) { return text.starts_with("tls listening on "); });
    ASSERT_TRUE(line) << provider_->Errors();
    port_ = line->substr(line->rfind(':') + 1);
  }

  // GET /healthz of a host.
  struct Health : CurlTransfer {
    Health(const TlsTest& test, const std::string& host)
        : CurlTransfer("https://" + host + ":" + test.port_ + "/healthz") {
      curl_easy_setopt(handle, CURLOPT_CAINFO, test.ca_file_.c_str());
    }
  };

 private:
  std::string ca_file_, port_;
  std::unique_ptr<integration::Process> provider_;
};

TEST_F(TlsTest, ServesTheVersionThatIsAgreedOn) {
  for (const long version : {long{CURL_HTTP_VERSION_1_1}, long{CURL_HTTP_VERSION_2_0}}) {
    Health health(*this, "tls.localhost");
    curl_easy_setopt(health.handle, CURLOPT_HTTP_VERSION, version);
    EXPECT_EQ(health.Perform(), CURLE_OK) << health.error;
    EXPECT_EQ(health.Get(CURLINFO_HTTP_VERSION), version);
    EXPECT_THAT(health.body, HasSubstr("simulated"));
  }
}

TEST_F(TlsTest, CommitsTheFaultOfItsHost) {
  Health expired(*this, "58expired.localhost");
  EXPECT_EQ(expired.Perform(), CURLE_PEER_FAILED_VERIFICATION);
  EXPECT_THAT(expired.error, HasSubstr("certificate has expired"));
  Health other(*this, "58otherhost.localhost");
  EXPECT_EQ(other.Perform(), CURLE_PEER_FAILED_VERIFICATION);
  EXPECT_THAT(other.error, HasSubstr("no alternative certificate subject name matches"));
  Health stall(*this, "58stall.localhost");
  curl_easy_setopt(stall.handle, CURLOPT_TIMEOUT_MS, kStallMs);
  EXPECT_EQ(stall.Perform(), CURLE_OPERATION_TIMEDOUT);
  Health good(*this, "tls.localhost");
  EXPECT_EQ(good.Perform(), CURLE_OK) << good.error;
}

}  // namespace
}  // namespace pingti::upstream
