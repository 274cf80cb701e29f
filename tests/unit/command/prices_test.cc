// `pingti prices`: tables, CSV, and the import from the command line to the file.
#include "client/command/prices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/command/run_fixture.h"

namespace pingti::command {
namespace {

using ::testing::HasSubstr;

v1::ListedPrice Listed(const std::string& model, bool current) {
  v1::ListedPrice listed;
  listed.set_model(model);
  listed.set_provider("yi");
  listed.set_upstream_model("yi-large");
  listed.set_until("2025-01-01");
  listed.set_current(current);
  v1::ModelPrice* price = listed.mutable_price();
  price->set_currency("USD");
  price->set_input_pico_per_token(2'500'000);
  price->set_cached_input_pico_per_token(1);
  price->set_output_pico_per_token(1'000'000'000'000);
  price->set_request_nano(1);
  price->set_version(model + "@2024-06-01");
  price->set_since("2024-06-01");
  price->set_source("=a page");
  price->set_source_date("2024-05-30");
  price->set_verified(true);
  return listed;
}

TEST(PricesTableTest, IsExactAndSaysWhereItIsFrom) {
  v1::ListedPrice recalled = Listed("通义", true);
  recalled.mutable_price()->set_verified(false);
  recalled.mutable_price()->set_source("page of 2024-05-30");
  EXPECT_EQ(
      PricesTable({Listed("yi-large", true), recalled}, false, false),
      "MODEL     PROVIDER  SINCE       CURRENCY  INPUT    CACHED   OUTPUT     PER CALL  SOURCE\n"
      "yi-large  yi        2024-06-01  USD         2.5  0.000001  1000000  0.000000001  =a "
      "page, 2024-05-30\n"
      "通义      yi        2024-06-01  USD         2.5  0.000001  1000000  0.000000001  page "
      "of 2024-05-30 (not verified)\n"
      "\nPrices per million tokens; days are UTC.\n");
  EXPECT_THAT(PricesTable({Listed("yi-large", false)}, true, false), HasSubstr("2025-01-01"));
  EXPECT_EQ(PricesTable({}, true, false), "no prices\n");
}

TEST(PricesTableTest, CsvHasAllOfIt) {
  v1::ListedPrice listed = Listed("yi-large", true);
  EXPECT_EQ(PricesCsv({listed}),
            "yi-large,yi,yi-large,yi-large@2024-06-01,2024-06-01,2025-01-01,true,USD,2.5,0.000001,"
            "1000000,0.000000001,USD,1,,'=a page,2024-05-30,true\n");
  v1::ExchangeRate* rate = listed.mutable_price()->mutable_exchange();
  rate->set_currency("CNY");
  rate->set_rate_nano(7'268'900'000);
  rate->set_date("2024-06-27");
  EXPECT_THAT(PricesCsv({listed}), HasSubstr(",CNY,7.2689,2024-06-27,"));
  const std::string head = PricesCsvHead();
  const std::string line = PricesCsv({listed});
  EXPECT_EQ(std::count(head.begin(), head.end(), ','), std::count(line.begin(), line.end(), ','));
}

class PriceImportRunTest : public RunTest {
 protected:
  std::string Read(const std::string& path) const {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static constexpr char kSample[] =
      R"({"m": {"mode": "chat", "litellm_provider": "p", "max_tokens": 10,
                "input_cost_per_token": 1.5e-07, "output_cost_per_token": 1e-6}})";
  const fakes::ScratchFolder folder_;
};

TEST_F(PriceImportRunTest, FromAFileOrStandardInputWithoutAServerOrAKey) {
  const std::string file = folder_.Write("prices.json", kSample, 0644);
  EXPECT_EQ(Pingti({"prices", "import", file, "m", "--date", "2024-06-01"}), kExitOk) << err();
  const std::string yaml = out();
  EXPECT_THAT(yaml, HasSubstr("input: 0.15, output: 1, verified: false"));
  Type(kSample);
  CloseInput();
  EXPECT_EQ(Pingti({"prices", "import", "-", "m", "--date", "2024-06-01"}), kExitOk) << err();
  EXPECT_EQ(out(), yaml + yaml);
  EXPECT_THAT(server_.headers(), ::testing::IsEmpty());
}

TEST_F(PriceImportRunTest, TheOutputIsWrittenWholeOrNotAtAll) {
  const std::string file = folder_.Write("prices.json", kSample, 0644);
  const std::string output = folder_.Write("out.yaml", "before", 0644);
  EXPECT_EQ(
      Pingti({"prices", "import", file, "m", "n", "--date", "2024-06-01", "--output", output}),
      kExitUsage);
  EXPECT_THAT(err(), HasSubstr(file + ": there is no model n"));
  EXPECT_EQ(out(), "");
  EXPECT_EQ(Read(output), "before");
  EXPECT_EQ(Pingti({"prices", "import", file, "m", "--date", "2024-06-01", "--output", output}),
            kExitOk);
  EXPECT_EQ(out(), "");
  EXPECT_THAT(Read(output), HasSubstr("  - name: \"m\"\n"));
  EXPECT_EQ(Pingti({"prices", "import", file, "m", "--date", "2024-06-01", "--output",
                    folder_.path() + "/none/out.yaml"}),
            kExitOther);
  EXPECT_THAT(err(), HasSubstr("--output: "));
}

TEST_F(PriceImportRunTest, WhatCannotBeReadIsNamed) {
  const std::string none = folder_.path() + "/none.json";
  EXPECT_EQ(Pingti({"prices", "import", none, "m", "--date", "2024-06-01"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr(none + ": No such file"));
  EXPECT_EQ(Pingti({"prices", "import", folder_.path(), "m", "--date", "2024-06-01"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("Is a directory"));
  const std::string text = folder_.Write("text", "prices", 0644);
  EXPECT_EQ(Pingti({"prices", "import", text, "m", "--date", "2024-06-01"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr(text + ": is no JSON in line 1"));
}

}  // namespace
}  // namespace pingti::command
