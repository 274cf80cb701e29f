// Reads the tables of docs/quotas.md that are marked as checked, and does what each row says.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/config/config.h"
#include "server/model/usage.h"
#include "server/quota/bucket.h"
#include "server/quota/bucket_set.h"
#include "server/quota/estimator.h"
#include "server/quota/input_factor.h"
#include "server/quota/memory_store.h"
#include "server/quota/output_history.h"
#include "server/quota/redis_store.h"
#include "server/quota/reservation.h"
#include "server/quota/store_health.h"
#include "server/quota/waiting_line.h"
#include "tests/fakes/fake_clock.h"

namespace pingti::quota {
namespace {

using Row = std::vector<std::string>;

constexpr base::Instant kBegin = base::Instant::FromNanos(1'000'000'000'000);

struct Table {
  std::map<std::string, std::string> settings;  // of the marker, `name=value`
  std::vector<Row> rows;
};

std::string Trimmed(std::string_view text) {
  return std::string(absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())));
}

Row CellsOf(const std::string& line) {
  Row cells;
  for (absl::string_view cell : absl::StrSplit(line, '|')) {
    cells.push_back(Trimmed({cell.data(), cell.size()}));
  }
  // Before the first and after the last `|` there is nothing.
  if (cells.size() >= 2) cells = Row(cells.begin() + 1, cells.end() - 1);
  return cells;
}

// `<!-- checked: NAME SETTING=VALUE ... -->` and the table under it. Several may have one name.
std::multimap<std::string, Table> ReadTables() {
  std::ifstream file(PINGTI_SOURCE "/docs/quotas.md");
  EXPECT_TRUE(file.good()) << "docs/quotas.md";
  std::multimap<std::string, Table> tables;
  std::string line;
  while (std::getline(file, line)) {
    constexpr std::string_view kMarker = "<!-- checked: ";
    if (!line.starts_with(kMarker)) continue;
    std::istringstream words(line.substr(kMarker.size()));
    std::string name;
    words >> name;
    Table table;
    for (std::string word; words >> word && word != "-->";) {
      const size_t equals = word.find('=');
      table.settings[word.substr(0, equals)] = word.substr(equals + 1);
    }
    std::getline(file, line);
    const size_t columns = CellsOf(line).size();
    std::getline(file, line);
    EXPECT_TRUE(line.starts_with("| ---")) << line;
    while (std::getline(file, line) && line.starts_with("|")) {
      table.rows.push_back(CellsOf(line));
      EXPECT_EQ(table.rows.back().size(), columns) << line;
    }
    EXPECT_FALSE(table.rows.empty()) << name;
    tables.emplace(name, std::move(table));
  }
  return tables;
}

std::string Shown(const Row& row) {
  std::string line = "the row |";
  for (const std::string& cell : row) line += " " + cell + " |";
  return line;
}

// `1,234`, `-5`; empty: 0.
int64_t Number(std::string text) {
  if (text.empty()) return 0;
  text.erase(std::remove(text.begin(), text.end(), ','), text.end());
  int64_t number = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text, &number)) << text;
  return number;
}

std::optional<int64_t> NumberOrNone(const std::string& text) {
  if (text.empty() || text == "none") return std::nullopt;
  return Number(text);
}

absl::Duration Time(const std::string& text) {
  absl::Duration time;
  EXPECT_TRUE(absl::ParseDuration(text, &time)) << text;
  return time;
}

// What an answer of the page means: nothing for `fits`.
std::optional<absl::Duration> Wait(const std::string& answer) {
  if (answer == "fits") return std::nullopt;
  return answer == "never" ? absl::InfiniteDuration() : Time(answer);
}

// `6000`, or `6000/shadow`.
config::ClassLimits LimitsOf(const std::map<std::string, std::string>& settings) {
  config::ClassLimits limits;
  for (const auto& [name, value] : settings) {
    const bool shadow = value.ends_with("/shadow");
    const config::Limit limit(Number(value.substr(0, value.find('/'))), 0, shadow);
    if (name == "requests_per_minute") {
      limits.requests_per_minute = limit;
    } else if (name == "tokens_per_minute") {
      limits.tokens_per_minute = limit;
    } else if (name == "tokens_per_day") {
      limits.tokens_per_day = limit;
    } else {
      ADD_FAILURE() << "the page has a limit that this test does not know: " << name;
    }
  }
  return limits;
}

config::ClassLimits TokensPerMinute(std::optional<int64_t> limit) {
  config::ClassLimits limits;
  limits.requests_per_minute = 10;
  if (limit) limits.tokens_per_minute = *limit;
  return limits;
}

std::optional<int64_t> Left(const BucketSet& set, Dimension dimension, base::Instant now) {
  const auto state = set.Read(dimension, now);
  if (!state) return std::nullopt;
  return state->remaining;
}

class QuotasDocTest : public ::testing::Test {
 protected:
  // The only table of that name.
  const Table& TableOf(const std::string& name) const {
    static const Table kNone;
    EXPECT_EQ(tables_.count(name), 1u) << name;
    const auto found = tables_.find(name);
    return found == tables_.end() ? kNone : found->second;
  }

  const std::multimap<std::string, Table> tables_ = ReadTables();
};

TEST_F(QuotasDocTest, EveryCheckedTableHasItsTest) {
  std::set<std::string> names;
  for (const auto& [name, table] : tables_) names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"waits", "trace", "reservations", "settlements",
                                          "reloads", "delays", "shares", "numbers"}));
}

TEST_F(QuotasDocTest, Waits) {
  for (const Row& row : TableOf("waits").rows) {
    const int64_t limit = Number(row[0]);
    const int64_t burst = NumberOrNone(row[2]).value_or(limit);
    const int64_t requested = Number(row[4]);
    Bucket bucket(limit, burst, row[1] == "day" ? absl::Hours(24) : absl::Minutes(1));
    ASSERT_FALSE(bucket.Take(Number(row[3]), kBegin)) << Shown(row);
    const auto wait = Wait(row[5]);
    EXPECT_EQ(bucket.Test(requested, kBegin), wait) << Shown(row);
    if (!wait) continue;
    if (*wait == absl::InfiniteDuration()) {
      EXPECT_EQ(bucket.Test(requested, kBegin + absl::Hours(48)), wait) << Shown(row);
      continue;
    }
    EXPECT_EQ(bucket.Test(requested, kBegin + (*wait - absl::Microseconds(1))),
              absl::Microseconds(1))
        << Shown(row);
    EXPECT_FALSE(bucket.Take(requested, kBegin + *wait)) << Shown(row);
  }
}

TEST_F(QuotasDocTest, Traces) {
  const auto [first, last] = tables_.equal_range("trace");
  ASSERT_EQ(std::distance(first, last), 2);
  for (auto it = first; it != last; ++it) {
    BucketSet set("tenant:acme/class:gpt-4o", LimitsOf(it->second.settings));
    for (const Row& row : it->second.rows) {
      const base::Instant now = kBegin + Time(row[0]);
      uint8_t shadow = 0;
      const auto shortage = set.Take(Number(row[1]), now, &shadow);
      ASSERT_EQ(shortage.has_value(), Wait(row[2]).has_value()) << Shown(row);
      if (shortage) {
        EXPECT_EQ(shortage->wait, *Wait(row[2])) << Shown(row);
        EXPECT_EQ(DimensionName(shortage->dimension), row[3]) << Shown(row);
      }
      EXPECT_EQ(Left(set, Dimension::kRequestsPerMinute, now), NumberOrNone(row[4])) << Shown(row);
      EXPECT_EQ(Left(set, Dimension::kTokensPerMinute, now), NumberOrNone(row[5])) << Shown(row);
      EXPECT_EQ(Left(set, Dimension::kTokensPerDay, now), NumberOrNone(row[6])) << Shown(row);
    }
  }
}

TEST_F(QuotasDocTest, Reservations) {
  for (const Row& row : TableOf("reservations").rows) {
    model::CompletionRequest request;
    request.messages.emplace_back().parts.emplace_back(model::Text{"How much is it?"});
    if (!row[3].empty()) {
      request.sampling.max_output_tokens = static_cast<int32_t>(Number(row[3]));
    }
    request.sampling.n = static_cast<int32_t>(Number(row[7]));
    EstimateContext context;
    ASSERT_TRUE(row[0] == "likely" || row[0] == "strict") << Shown(row);
    context.policy =
        row[0] == "strict" ? config::ReservePolicy::kStrict : config::ReservePolicy::kLikely;
    context.rules.sum = row[1] == "true";
    context.likely_output = NumberOrNone(row[4]);
    context.model_output_max = Number(row[5]);
    context.context_tokens = Number(row[6]);
    // The prompt counts as many as the row says; rounded up, so half a token less.
    context.input_factor = (static_cast<double>(Number(row[2])) - 0.5) /
                           static_cast<double>(EstimateInputTokens(request));
    const Estimate estimate = EstimateRequest(request, context);
    EXPECT_EQ(estimate.input_tokens, Number(row[2])) << Shown(row);
    EXPECT_EQ(estimate.reserved_tokens, Number(row[8])) << Shown(row);
    EXPECT_EQ(estimate.output_cap, Number(row[9])) << Shown(row);
  }
}

TEST_F(QuotasDocTest, Settlements) {
  const Table& table = TableOf("settlements");
  fakes::FakeClock clock;
  telemetry::Counter dropped;
  MemoryStore store;
  for (const Row& row : table.rows) {
    BucketSet set("tenant:acme/class:gpt-4o", LimitsOf(table.settings));
    const base::Instant now = clock.MonotonicNow();
    Demand demand;
    demand.scopes[demand.scope_count++] = &set;
    demand.tokens = Number(row[0]);
    ReserveReply reply;
    store.Reserve(demand, now, &reply, nullptr);
    ASSERT_EQ(reply.state, ReserveReply::State::kGranted) << Shown(row);
    Reservation reservation(store, demand, reply, clock, dropped);
    model::Usage usage;
    usage.output_tokens = Number(row[1]);
    ASSERT_TRUE(row[2] == "measured" || row[2] == "lower bound") << Shown(row);
    usage.lower_bound = row[2] == "lower bound";
    reservation.Settle(usage, row[3] == "yes", now);
    EXPECT_EQ(Left(set, Dimension::kTokensPerMinute, now), Number(row[4])) << Shown(row);
    EXPECT_EQ(Left(set, Dimension::kRequestsPerMinute, now), Number(row[5])) << Shown(row);
    const auto shortage = set.Test(1, now);
    ASSERT_EQ(shortage.has_value(), Wait(row[6]).has_value()) << Shown(row);
    if (shortage) {
      EXPECT_EQ(shortage->wait, *Wait(row[6])) << Shown(row);
    }
  }
}

TEST_F(QuotasDocTest, Reloads) {
  for (const Row& row : TableOf("reloads").rows) {
    BucketSet before("tenant:acme/class:gpt-4o", TokensPerMinute(NumberOrNone(row[0])));
    uint8_t shadow = 0;
    ASSERT_FALSE(before.Take(Number(row[1]), kBegin, &shadow)) << Shown(row);
    BucketSet after("tenant:acme/class:gpt-4o", TokensPerMinute(NumberOrNone(row[2])));
    after.Adopt(before, kBegin);
    EXPECT_EQ(Left(after, Dimension::kTokensPerMinute, kBegin), NumberOrNone(row[3])) << Shown(row);
  }
}

TEST_F(QuotasDocTest, Delays) {
  for (const Row& row : TableOf("delays").rows) {
    Bucket bucket(Number(row[0]), row[1] == "day" ? absl::Hours(24) : absl::Minutes(1));
    ASSERT_FALSE(bucket.Take(Number(row[2]), kBegin)) << Shown(row);
    bucket.Correct(1, Time(row[3]), kBegin);
    const absl::Duration wait = Time(row[4]);
    EXPECT_EQ(bucket.Test(1, kBegin), wait) << Shown(row);
    EXPECT_TRUE(bucket.Test(1, kBegin + (wait - absl::Microseconds(1)))) << Shown(row);
    EXPECT_FALSE(bucket.Take(1, kBegin + wait)) << Shown(row);
  }
}

TEST_F(QuotasDocTest, Shares) {
  for (const Row& row : TableOf("shares").rows) {
    BucketSet::Options options;
    options.replicas = static_cast<int>(Number(row[1]));
    const BucketSet set("tenant:acme/class:gpt-4o", TokensPerMinute(Number(row[0])), options);
    ASSERT_NE(set.local_share(), nullptr) << Shown(row);
    const auto& share = set.local_share()->limit(Dimension::kTokensPerMinute);
    ASSERT_TRUE(share) << Shown(row);
    EXPECT_EQ(share->limit, Number(row[2])) << Shown(row);
  }
}

std::string Amount(int64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

TEST_F(QuotasDocTest, Numbers) {
  const auto factor = [](double value) {
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  };
  const auto time = [](absl::Duration duration) { return absl::FormatDuration(duration); };
  const config::Config defaults;
  const std::map<std::string, std::string> real = {
      {"likely output without history", Amount(defaults.estimation.output_tokens_default)},
      {"calls before there is a history", Amount(OutputHistory::kObservationsMin)},
      {"calls that the history remembers at most", Amount(OutputHistory::kObservationsMax)},
      {"smallest learned input factor", factor(kInputFactorMin)},
      {"largest learned input factor", factor(kInputFactorMax)},
      {"tokens of a turn in a provider's line", Amount(kQuantumTokens)},
      {"longest wait by default", time(defaults.quota.wait_max)},
      {"calls in one line by default", Amount(defaults.quota.waiting_max)},
      {"delay told for lack of a slot", time(kSlotWait)},
      {"largest limit of a bucket", Amount(kBucketLimitMax)},
      {"budget of one operation of Redis by default", time(config::Redis().timeout)},
      {"failures until Redis counts as down", Amount(kStoreFailuresMax)},
      {"time between questions whether it is back", time(kStoreProbeInterval)},
      {"lease of a slot", time(kSlotLease)},
  };
  std::map<std::string, std::string> told;
  for (const Row& row : TableOf("numbers").rows) told[row[0]] = row[1];
  EXPECT_EQ(told, real);
}

}  // namespace
}  // namespace pingti::quota
