#include "client/command/prices_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/command/line_fixture.h"

namespace pingti::command {
namespace {

using ::testing::HasSubstr;

using PricesLineTest = LineFixture<PricesLine, Verb::kPrices, &CommandLine::prices>;

TEST_F(PricesLineTest, AListOfWhatIsAskedFor) {
  const auto plain = Parse({"prices", "list"});
  ASSERT_TRUE(plain) << err_;
  EXPECT_EQ(plain->verb, PricesVerb::kList);
  EXPECT_EQ(plain->form, OutputForm::kTable);
  EXPECT_FALSE(plain->all_versions);
  const auto line = Parse({"prices", "list", "--provider", "yi", "-m", "yi-large", "--all", "--csv",
                           "--admin-key-file", "k"});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->provider, "yi");
  EXPECT_EQ(line->model, "yi-large");
  EXPECT_TRUE(line->all_versions);
  EXPECT_EQ(line->form, OutputForm::kCsv);
  EXPECT_EQ(line->admin_key_file, "k");
  EXPECT_EQ(Parse({"prices", "list", "--json"})->form, OutputForm::kJson);
  EXPECT_FALSE(Parse({"prices", "list", "--json", "--csv"}));
  EXPECT_FALSE(Parse({"prices"}));
}

TEST_F(PricesLineTest, AnImportNamesItsFileItsDayAndWhatToTake) {
  const auto line =
      Parse({"prices", "import", "prices.json", "gpt-4o", "gpt-4", "--date", "2024-11-20", "--as",
             "ours", "--output", "out.yaml", "--source", "a page"});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->verb, PricesVerb::kImport);
  EXPECT_EQ(line->file, "prices.json");
  EXPECT_EQ(line->import.models, (std::vector<std::string>{"gpt-4o", "gpt-4"}));
  EXPECT_EQ(line->import.date, "2024-11-20");
  EXPECT_EQ(line->import.provider_name, "ours");
  EXPECT_EQ(line->import.source, "a page");
  EXPECT_EQ(line->output, "out.yaml");
  const auto input =
      Parse({"prices", "import", "-", "--date", "2024-11-20", "--provider", "openai"});
  ASSERT_TRUE(input) << err_;
  EXPECT_EQ(input->file, "-");
  EXPECT_EQ(input->import.source, kImportSource);

  EXPECT_FALSE(Parse({"prices", "import", "f", "--date", "2024-11-20"}));
  EXPECT_THAT(err_, HasSubstr("name models, or a --provider"));
  EXPECT_FALSE(Parse({"prices", "import", "f", "m", "--date", "June"}));
  EXPECT_THAT(err_, HasSubstr("--date: 'June' is no date; write 2024-06-01"));
  EXPECT_FALSE(Parse({"prices", "import", "f", "m"}));
  EXPECT_FALSE(Parse({"prices", "import", "f", "m", "--date", "2024-06-01", "--as", "Open AI"}));
  EXPECT_FALSE(Parse({"prices", "import", "f", "m", "--date", "2024-06-01", "--source", "a\nb"}));
}

}  // namespace
}  // namespace pingti::command
