#include "tests/integration/programs.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>

#include "tests/integration/http.h"

namespace pingti::integration {
namespace {

[[noreturn]] void GiveUp(const std::string& why) {
  std::cerr << "integration test: " << why << std::endl;
  std::abort();
}

// Starts a program and waits until it says its addresses after `marks`, in this order.
std::unique_ptr<Process> StartListener(std::vector<std::string> arguments,
                                       const Process::Environment& environment,
                                       const std::vector<std::string>& marks,
                                       std::vector<std::string>* addresses) {
  const std::string name = arguments[0];
  auto process = std::make_unique<Process>(std::move(arguments), environment);
  for (const std::string& mark : marks) {
    const auto line =
        process->WaitForOutput([&](std::string_view text) { return text.starts_with(mark); });
    if (!line) {
      GiveUp(name + " did not start:\n" + process->Output() + process->Errors());
    }
    addresses->push_back(line->substr(mark.size()));
  }
  return process;
}

int PortOf(const std::string& address) {
  return std::atoi(address.substr(address.rfind(':') + 1).c_str());
}

// The build tree that these tests were built in, or, under sanitizers, another (CMakeLists.txt).
std::string Binary(const std::string& name) {
  const char* folder = std::getenv("PINGTI_BINARIES");
  return std::string(folder != nullptr ? folder : PINGTI_RELEASE_BINARIES) + "/" + name;
}

}  // namespace

std::string ServerBinary() { return Binary("pingti-server"); }
std::string ClientBinary() { return Binary("pingti"); }
std::string ProviderBinary() { return Binary("simulated-provider"); }

std::string HttpGet(int port, const std::string& path) {
  const HttpAnswer answer = HttpCall(port, "GET", path);
  if (answer.status != 200) {
    GiveUp("GET " + path + " answers " + std::to_string(answer.status) + ": " + answer.body);
  }
  return answer.body;
}

// The kernel gives a bound port to nobody; with SO_REUSEADDR on both sides one of them may listen.
int BindFreePort(bool shared, int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = shared ? 1 : 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, generic, size) != 0 || getsockname(fd, generic, &size) != 0) {
    std::abort();
  }
  *port = ntohs(address.sin_port);
  return fd;
}

Provider::Provider(std::vector<std::string> arguments, int port) {
  std::vector<std::string> all = {ProviderBinary(), "--port", std::to_string(port)};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<std::string> addresses;
  process_ = StartListener(std::move(all), {}, {"listening on "}, &addresses);
  port_ = PortOf(addresses[0]);
}

std::string Provider::base_url() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/v1";
}

int Provider::TlsPort() const {
  const auto line = process_->WaitForOutput(
      [](std::string_view text) { return text.starts_with("tls listening on "); });
  if (!line) GiveUp("the provider has no TLS:\n" + process_->Output());
  return PortOf(*line);
}

int64_t Provider::Stat(const char* name) const {
  return ParseJson(HttpGet(port_, "/sim/stats"))[name].GetInt64();
}

rapidjson::Document Provider::Requests() const {
  return ParseJson(HttpGet(port_, "/sim/requests"));
}

void Provider::Reset() const { HttpCall(port_, "POST", "/sim/reset"); }

void Provider::SetDefaults(const std::string& json) const {
  const HttpAnswer response = HttpCall(port_, "POST", "/sim/defaults", json);
  if (response.status != 200) GiveUp("bad knobs " + json + ": " + response.body);
}

std::string Provider::AnswerTo(const std::string& prompt) const {
  rapidjson::StringBuffer quoted;
  rapidjson::Writer<rapidjson::StringBuffer>(quoted).String(prompt.c_str());
  const HttpAnswer response =
      HttpCall(port_, "POST", "/v1/chat/completions",
               std::string(R"({"model":"m","messages":[{"role":"user","content":)") +
                   quoted.GetString() + "}]}");
  const rapidjson::Document answer = ParseJson(response.body);
  return answer["choices"][0]["message"]["content"].GetString();
}

int64_t Provider::DisconnectNs() const {
  int64_t when = 0;
  Eventually([&] {
    const rapidjson::Document requests = Requests();
    if (requests.Empty()) return false;
    when = requests[requests.Size() - 1]["disconnect_ns"].GetInt64();
    return when != 0;
  });
  return when;
}

Metrics::Metrics(std::string text) : text_(std::move(text)) {
  std::string_view rest = text_;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1);
    if (rest[0] != '#') lines_.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
}

double Metrics::Sum(std::string_view name, const std::vector<std::string>& labels) const {
  double sum = 0;
  for (const std::string_view line : lines_) {
    if (!line.starts_with(name)) continue;
    const std::string_view rest = line.substr(name.size());
    if (!rest.starts_with('{') && !rest.starts_with(' ')) continue;
    bool all = true;
    for (const std::string& label : labels) all = all && rest.find(label) != rest.npos;
    if (all) sum += std::strtod(std::string(rest.substr(rest.rfind(' ') + 1)).c_str(), nullptr);
  }
  return sum;
}

ApiKey MakeApiKey() {
  Process maker({ServerBinary(), "--make-key"});
  ApiKey made;
  auto value_of = [&](const std::string& mark) {
    const auto line =
        maker.WaitForOutput([&](std::string_view text) { return text.starts_with(mark); });
    if (!line) GiveUp("--make-key says " + maker.Output() + maker.Errors());
    return line->substr(mark.size());
  };
  made.key = value_of("key: ");
  made.record = value_of("record: ");
  return made;
}

std::string WriteFile(const std::string& name, const std::string& text) {
  std::string folder = testing::TempDir() + "/pingti-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) GiveUp("cannot make " + folder);
  const std::string path = folder + "/" + name;
  std::ofstream(path) << text;
  return path;
}

Server::Server(const std::string& config, const Process::Environment& environment) {
  config_path_ = WriteFile("pingti.yaml", config);
  std::vector<std::string> addresses;
  process_ =
      StartListener({ServerBinary(), "--config", config_path_, "--grpc", "127.0.0.1:0", "--metrics",
                     "127.0.0.1:0"},
                    environment, {"grpc listening on ", "metrics listening on "}, &addresses);
  target_ = addresses[0];
  metrics_port_ = PortOf(addresses[1]);
}

client::Client Server::Client(const std::string& key, Millis deadline) const {
  auto made =
      client::Client::Create({.target = target_, .api_key = key, .default_deadline = deadline});
  if (!made.ok()) GiveUp(made.error().message);
  return *made;
}

std::shared_ptr<grpc::Channel> Server::Channel(int message_bytes_max) const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Else gRPC widens the windows of a fast connection, also for streams that nobody reads.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetMaxReceiveMessageSize(message_bytes_max);
  arguments.SetMaxSendMessageSize(message_bytes_max);
  return grpc::CreateCustomChannel(target_, grpc::InsecureChannelCredentials(), arguments);
}

Metrics Server::Scrape() const { return Metrics(HttpGet(metrics_port_, "/metrics")); }

rapidjson::Document Server::AccessRecord(const std::string& request_id) {
  const std::string mark = "\"request_id\":\"" + request_id + "\"";
  const auto line = process_->WaitForError([&](std::string_view text) {
    return text.find("\"record\":\"call\"") != text.npos && text.find(mark) != text.npos;
  });
  EXPECT_TRUE(line) << "no access record of " << request_id << " in\n" << process_->Errors();
  return ParseJson(line.value_or("{}"));
}

void Server::StopCleanly() {
  process_->Signal(SIGTERM);
  EXPECT_EQ(process_->Wait(WaitMax() * 2), 0) << process_->Errors();
  const std::string said = process_->Errors();
  for (const char* bad : {"Sanitizer", "runtime error:", "CHECK failed", "\"level\":\"error\""}) {
    EXPECT_THAT(said, testing::Not(testing::HasSubstr(bad)));
  }
}

CommandEnd RunCommand(const Server& server, std::vector<std::string> arguments,
                      Process::Environment environment) {
  arguments.insert(arguments.begin(), {ClientBinary(), "--target", server.target()});
  environment.emplace("HOME", "/nonexistent");
  Process command(std::move(arguments), environment);
  const auto never = [](std::string_view) { return false; };
  command.WaitForOutput(never);
  command.WaitForError(never);
  return {command.Wait(WaitMax()).value_or(-1000), command.Output(), command.Errors()};
}

uint64_t TestSeed() {
  const char* given = std::getenv("PINGTI_TEST_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("PINGTI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

void Prepare(grpc::ClientContext* context, const std::string& key, Millis deadline) {
  if (!key.empty()) context->AddMetadata("authorization", "Bearer " + key);
  context->set_deadline(std::chrono::system_clock::now() + deadline);
}

rapidjson::Document ParseJson(const std::string& text) {
  rapidjson::Document document;
  document.Parse(text.data(), text.size());
  if (document.HasParseError()) GiveUp("this is not JSON: " + text);
  return document;
}

}  // namespace pingti::integration
