// Each key that the loader knows stands in the files that are shipped, whose comments explain it.
// Tests run at the top of the repository.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/strings.h"
#include "server/config/config.h"
#include "server/config/load.h"

namespace pingti::config {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The sources that read the sections, and the one that reads the top of the file.
std::string LoaderSources() {
  std::string sources = ReadFile("server/config/load.cc");
  for (const auto& entry : std::filesystem::directory_iterator("server/config")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("read_") && name.ends_with(".cc")) sources += ReadFile(entry.path());
  }
  return sources;
}

void AddMatches(const std::string& text, const char* pattern, std::set<std::string>* keys) {
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    keys->insert((*match)[1]);
  }
}

// What is asked of a Fields: `fields.Text("name", ...)` and the like.
std::set<std::string> KeysOf(const std::string& sources) {
  std::set<std::string> keys;
  AddMatches(sources, R"re(\w\.[A-Z]\w*\(\s*"([a-z0-9_]+)")re", &keys);
  AddMatches(sources, R"re(\.Secret\(\s*"\w+",\s*"([a-z0-9_]+)")re", &keys);
  AddMatches(sources, R"re(\bReadLimit\(\w+,\s*"([a-z0-9_]+)")re", &keys);
  return keys;
}

// `key:`, in a comment or not, or the key in backticks.
bool Shows(std::string_view text, const std::string& key) {
  for (size_t at = text.find(key); at != text.npos; at = text.find(key, at + 1)) {
    const char before = at == 0 ? '\n' : text[at - 1];
    const std::string_view after = text.substr(at + key.size());
    if (std::isalnum(static_cast<unsigned char>(before)) || before == '_') continue;
    if (after.starts_with(':') || (before == '`' && after.starts_with('`'))) return true;
  }
  return false;
}

TEST(DocumentedKeysTest, EachKeyIsShown) {
  const std::string shipped = ReadFile("config/pingti.yaml") + ReadFile("config/catalogue.yaml");
  const std::set<std::string> keys = KeysOf(LoaderSources());
  // One of each way to ask.
  EXPECT_THAT(keys, testing::IsSupersetOf({"catalogue_file", "workers", "content_gap", "base_url",
                                           "api_key_file", "connections_max", "calls_at_once",
                                           "burst", "aliases", "record_file", "features"}));
  for (const std::string& key : keys) {
    EXPECT_TRUE(Shows(shipped, key)) << "config/*.yaml must explain `" << key << "`";
  }
  EXPECT_FALSE(Shows(shipped, "no_such_key"));
  EXPECT_FALSE(Shows("api_key: x\n# a key.\n", "key"));
}

TEST(DocumentedKeysTest, FeaturesAreShownWithTheirDefaults) {
  const auto result = Load("config/pingti.yaml", {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Features& features = result->config.features;
  EXPECT_EQ(features.quota, Features().quota);
  EXPECT_EQ(features.metrics, Features().metrics);
  EXPECT_EQ(features.access_record, Features().access_record);
}

TEST(DocumentedKeysTest, CommentsNameTheDefaults) {
  const auto line = [](std::string_view key, std::string_view value) {
    return base::StrCat("\n#   ", key, ": ", value, " ");
  };
  const auto word = [](bool value) { return value ? "true" : "false"; };
  const Model model;
  const std::string catalogue = ReadFile("config/catalogue.yaml");
  for (const std::string& wanted :
       {line("vision", word(model.vision)), line("tools", word(model.tools)),
        line("system_messages", word(model.system_messages)),
        line("developer_role", word(model.developer_role)),
        line("max_tokens_field", model.max_tokens_field),
        line("forward_output_cap", word(model.forward_output_cap))}) {
    EXPECT_NE(catalogue.find(wanted), catalogue.npos) << "config/catalogue.yaml needs" << wanted;
  }
  const std::string connections =
      base::StrCat("`connections_max:` (default ", Provider().connections_max, ")");
  const std::string main_file = ReadFile("config/pingti.yaml");
  EXPECT_NE(main_file.find(connections), main_file.npos)
      << "config/pingti.yaml needs " << connections;
}

}  // namespace
}  // namespace pingti::config
