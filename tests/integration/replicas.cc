#include "tests/integration/replicas.h"

#include <signal.h>

#include <functional>

namespace pingti::integration {
namespace {

// Of both messages: that the store is lost, and that it was not there at the start.
constexpr std::string_view kLost = "tiers follow their when_store_is_down";

// Replaces every `$text$` in `config`.
std::string Filled(const std::string& config,
                   const std::function<std::string(const std::string&)>& value_of) {
  std::string filled;
  size_t at = 0;
  while (true) {
    const size_t begin = config.find('$', at);
    if (begin == std::string::npos) return filled + config.substr(at);
    const size_t end = config.find('$', begin + 1);
    if (end == std::string::npos) ADD_FAILURE() << "an odd $ in " << config.substr(begin);
    filled += config.substr(at, begin - at) + value_of(config.substr(begin + 1, end - begin - 1));
    at = end + 1;
  }
}

}  // namespace

Replicas::Replicas(const std::string& config, const std::string& redis_address) {
  const std::string filled = Filled(config, [&](const std::string& mark) -> std::string {
    if (mark == "redis") return redis_address;
    if (mark == "timeouts") return Timeouts(Millis(20'000), Millis(60'000));
    const std::string name = mark.substr(mark.find(':') + 1);
    if (mark.starts_with("url:")) {
      auto& provider = providers_[name];
      if (provider == nullptr) provider = std::make_unique<Provider>();
      return provider->base_url();
    }
    EXPECT_TRUE(mark.starts_with("key:")) << mark;
    const ApiKey made = MakeApiKey();
    keys_[name] = made.key;
    return made.record;
  });
  for (auto& server : servers_) server = std::make_unique<Server>(filled);
}

CallerOptions Replicas::Caller(int replica, const std::string& tenant,
                               const v1::CompletionSpec& spec) {
  if (channels_[replica] == nullptr) channels_[replica] = servers_[replica]->Channel();
  CallerOptions options;
  options.replica = replica;
  options.tenant = tenant;
  options.channel = channels_[replica];
  options.key = keys_.at(tenant);
  options.spec = spec;
  return options;
}

void Replicas::Kill(int replica) {
  servers_[replica]->process().Signal(SIGKILL);
  EXPECT_TRUE(servers_[replica]->process().Wait(WaitMax()));
  servers_[replica].reset();
}

double Replicas::Sum(const std::string& metric, const std::vector<std::string>& labels) const {
  double sum = 0;
  for (const auto& server : servers_) {
    if (server != nullptr) sum += server->Scrape().Sum(metric, labels);
  }
  return sum;
}

int Replicas::Lines(int replica, std::string_view text) {
  const std::string said = servers_[replica]->process().Errors();
  int lines = 0;
  for (size_t at = said.find(text); at != said.npos; at = said.find(text, at + text.size())) {
    ++lines;
  }
  return lines;
}

bool Replicas::WaitUntilAllShare() const {
  return Eventually([&] { return Sum("pingti_quota_store_down") == 0; });
}

bool Replicas::WaitUntilNoneShares() const {
  return Eventually([&] {
    for (const auto& server : servers_) {
      if (server == nullptr) continue;
      // A connection that is made anew is no loss yet.
      const Metrics metrics = server->Scrape();
      if (metrics.Sum("pingti_quota_store_switches_total", {"to=\"down\""}) <=
          metrics.Sum("pingti_quota_store_switches_total", {"to=\"up\""})) {
        return false;
      }
    }
    return true;
  });
}

void Replicas::ExpectSwitchesLoggedOnce(int at_least) {
  for (int replica = 0; replica < kReplicas; ++replica) {
    if (servers_[replica] == nullptr) continue;
    int lost = 0;
    int back = 0;
    EXPECT_TRUE(Eventually([&] {
      const Metrics metrics = servers_[replica]->Scrape();
      lost = Lines(replica, kLost);
      back = Lines(replica, "the quota store is back");
      return lost == metrics.Sum("pingti_quota_store_switches_total", {"to=\"down\""}) &&
             back == metrics.Sum("pingti_quota_store_switches_total", {"to=\"up\""}) &&
             lost == back && lost >= at_least;
    })) << lost
        << " times lost, " << back << " times back\n"
        << servers_[replica]->Scrape().text() << servers_[replica]->process().Errors();
  }
}

void Replicas::StopCleanly() {
  // A connection that nobody looks after would hear of the end only seconds later.
  for (auto& channel : channels_) channel.reset();
  EXPECT_TRUE(Eventually([&] { return Sum("pingti_quota_reservations_open") == 0; }));
  EXPECT_EQ(Sum("pingti_quota_reservations_dropped_total"), 0);
  EXPECT_EQ(Sum("pingti_bugs_total"), 0);
  for (const auto& server : servers_) {
    if (server != nullptr) server->StopCleanly();
  }
}

}  // namespace pingti::integration
