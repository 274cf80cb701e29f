// For tests that share one simulated provider: a process for the suite, its counts and defaults
// fresh for each test.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/upstream/test_client.h"

namespace pingti::upstream {

class ProviderTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { provider_ = new ProviderProcess(); }
  static void TearDownTestSuite() { delete provider_; }
  void SetUp() override {
    ASSERT_NE(port(), 0) << first_line();
    Fetch(port(), "DELETE", "/sim/defaults");
    Fetch(port(), "POST", "/sim/reset");
  }
  static int port() { return provider_->port(); }
  static const std::string& first_line() { return provider_->first_line(); }

 private:
  static inline ProviderProcess* provider_ = nullptr;
};

}  // namespace pingti::upstream
