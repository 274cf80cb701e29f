#include "server/telemetry/metrics_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/telemetry/touch_everything.h"

namespace pingti::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Everything that the server answers to GET `path`.
std::string Get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return "cannot connect";
  }
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 65536> bytes;
  for (ssize_t n; (n = read(fd, bytes.data(), bytes.size())) > 0;) answer.append(bytes.data(), n);
  close(fd);
  return answer;
}

std::string Body(const std::string& answer) {
  const size_t blank = answer.find("\r\n\r\n");
  return blank == std::string::npos ? "" : answer.substr(blank + 4);
}

TEST(MetricsServer, ServesTheRegistry) {
  Registry registry(1);
  registry.worker(0).worker().bugs.Add(3);
  auto server = MetricsServer::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_GT((*server)->port(), 0);
  const std::string answer = Get((*server)->port(), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("\npingti_bugs_total 3\n"));
  registry.worker(0).worker().bugs.Add();
  EXPECT_THAT(Get((*server)->port(), "/metrics"), HasSubstr("\npingti_bugs_total 4\n"));
}

TEST(MetricsServer, ServesNothingElse) {
  Registry registry(1);
  auto server = MetricsServer::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(server.ok()) << server.status();
  for (const char* path : {"/", "/README.md", "/etc/passwd", "/../../etc/passwd"}) {
    EXPECT_THAT(Get((*server)->port(), path),
                ::testing::AnyOf(StartsWith("HTTP/1.1 404"), StartsWith("HTTP/1.1 400")))
        << path;
  }
}

TEST(MetricsServer, SaysWhichAddressIsInUseAndWhy) {
  Registry registry(1);
  auto first = MetricsServer::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = absl::StrCat("127.0.0.1:", (*first)->port());
  auto second = MetricsServer::Start(address, registry);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("in use"));
  // The first one still serves, and its port is free again when it is gone.
  EXPECT_THAT(Get((*first)->port(), "/metrics"), StartsWith("HTTP/1.1 200"));
  first->reset();
  EXPECT_TRUE(MetricsServer::Start(address, registry).ok());
}

TEST(MetricsServer, RefusesWhatIsNoAddress) {
  Registry registry(1);
  for (const char* address :
       {"", "9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536",
        "127.0.0.1:9464s", "127.0.0.1:1,127.0.0.1:2", "::1:9464", "[]:9464", "127.0.0.1: 9464"}) {
    auto server = MetricsServer::Start(address, registry);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(absl::StrCat("`", address, "`")));
  }
}

TEST(MetricsServer, SaysThatAnAddressIsNotOfThisMachine) {
  Registry registry(1);
  auto server = MetricsServer::Start("192.0.2.1:9464", registry);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("192.0.2.1:9464"));
}

// The scrape of a registry in which every series has a value, as a file.
class EverySeries : public ::testing::Test {
 protected:
  void SetUp() override {
    TouchEverything(registry_);
    auto server = MetricsServer::Start("127.0.0.1:0", registry_);
    ASSERT_TRUE(server.ok()) << server.status();
    Get((*server)->port(), "/metrics");  // the listener's own metrics appear after a scrape
    text_ = Body(Get((*server)->port(), "/metrics"));
    ASSERT_THAT(text_, HasSubstr("pingti_calls_total"));
  }

  Registry registry_{2};
  std::string text_;
};

TEST_F(EverySeries, PassesPromtool) {
  if (std::system("command -v promtool > /dev/null") != 0) {
    GTEST_SKIP() << "no promtool here (Debian package: prometheus)";
  }
  const auto path = std::filesystem::path(::testing::TempDir()) /
                    absl::StrCat("pingti_scrape_", getpid(), ".txt");
  std::ofstream(path) << text_;
  FILE* promtool =
      popen(absl::StrCat("promtool check metrics < ", path.string(), " 2>&1").c_str(), "r");
  ASSERT_NE(promtool, nullptr);
  std::string complaints;
  std::array<char, 4096> bytes;
  while (fgets(bytes.data(), bytes.size(), promtool) != nullptr) complaints += bytes.data();
  EXPECT_EQ(pclose(promtool), 0) << complaints;
  EXPECT_EQ(complaints, "");
  std::filesystem::remove(path);
}

// Metric -> type and label names, as they are exposed.
std::set<std::string> ExposedRows(const std::string& text) {
  std::map<std::string, std::string> types;
  std::map<std::string, std::set<std::string>> labels;
  for (const auto& line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (absl::StartsWith(line, "# TYPE ")) {
      types[words[2]] = words[3];
    } else if (!line.empty() && line[0] != '#') {
      std::string name(line.substr(0, line.find_first_of("{ ")));
      for (const char* suffix : {"_bucket", "_sum", "_count"}) {
        const std::string base = name.substr(0, name.rfind(suffix));
        if (absl::EndsWith(name, suffix) && types.count(base) != 0) name = base;
      }
      std::set<std::string>& of_name = labels[name];
      const size_t open = line.find('{');
      if (open == std::string::npos) continue;
      const std::string inside(line.substr(open + 1, line.rfind('}') - open - 1));
      for (const auto& pair : absl::StrSplit(inside, "\",", absl::SkipEmpty())) {
        const std::string label(pair.substr(0, pair.find('=')));
        if (label != "le" && label != "quantile") of_name.insert(label);
      }
    }
  }
  std::set<std::string> rows;
  for (const auto& [name, type] : types) {
    std::string row = absl::StrCat(name, " ", type);
    for (const std::string& label : labels[name]) absl::StrAppend(&row, " ", label);
    rows.insert(row);
  }
  return rows;
}

// The same out of docs/metrics.md: table rows `| name | type | unit | labels | meaning |`.
std::set<std::string> DocumentedRows() {
  std::ifstream file("docs/metrics.md");
  EXPECT_TRUE(file.good()) << "docs/metrics.md: run from the root of the repository";
  std::set<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, "| `")) continue;
    std::vector<std::string> cells = absl::StrSplit(line, '|');
    EXPECT_EQ(cells.size(), 7u) << "not name, type, unit, labels, meaning: " << line;
    if (cells.size() != 7) continue;
    const auto strip = [](std::string cell) {
      std::erase_if(cell, [](char c) { return c == '`' || c == ' '; });
      return cell;
    };
    std::string row = absl::StrCat(strip(cells[1]), " ", strip(cells[2]));
    std::set<std::string> labels = absl::StrSplit(strip(cells[4]), ',', absl::SkipEmpty());
    for (const std::string& label : labels) absl::StrAppend(&row, " ", label);
    EXPECT_TRUE(rows.insert(row).second) << "twice: " << line;
  }
  return rows;
}

TEST_F(EverySeries, IsWhatTheDocumentSays) {
  EXPECT_THAT(DocumentedRows(), ::testing::ContainerEq(ExposedRows(text_)));
}

}  // namespace
}  // namespace pingti::telemetry
