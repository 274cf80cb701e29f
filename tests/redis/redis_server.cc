#include "tests/redis/redis_server.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace pingti::testing_redis {
namespace {

// Somebody may take a free port before redis-server does.
constexpr int kStartsMax = 10;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "redis-server of the test: %s\n", why.c_str());
  std::abort();
}

// A port that was free a moment ago.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Die("no free port");
  }
  close(fd);
  return ntohs(address.sin_port);
}

void Flatten(const redisReply& reply, std::vector<std::string>* out) {
  switch (reply.type) {
    case REDIS_REPLY_ARRAY:
      for (size_t i = 0; i < reply.elements; ++i) Flatten(*reply.element[i], out);
      return;
    case REDIS_REPLY_INTEGER:
      return out->push_back(std::to_string(reply.integer));
    case REDIS_REPLY_NIL:
      return out->push_back("(nil)");
    case REDIS_REPLY_ERROR:
      Die(std::string(reply.str, reply.len));
    default:
      return out->push_back(std::string(reply.str, reply.len));
  }
}

}  // namespace

RedisServer::RedisServer(Options options) : options_(std::move(options)) {
  std::string folder = (std::filesystem::temp_directory_path() / "pingti-redis-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) Die("no folder " + folder);
  folder_ = folder;
  socket_ = folder_ + "/socket";
  Start();
}

RedisServer::~RedisServer() {
  Disconnect();
  process_.reset();
  std::filesystem::remove_all(folder_);
}

void RedisServer::Start() {
  const bool again = port_ != 0;
  for (int i = 0; i < kStartsMax; ++i) {
    if (options_.tcp && !again) port_ = FreePort();
    address_ = options_.tcp ? "127.0.0.1:" + std::to_string(port_) : "unix:" + socket_;
    if (TryStart()) return;
  }
  Die("does not start: " + (process_ ? process_->Output() + process_->Errors() : ""));
}

bool RedisServer::TryStart() {
  std::vector<std::string> arguments = {PINGTI_REDIS_SERVER,
                                        "--port",
                                        std::to_string(port_),
                                        "--bind",
                                        "127.0.0.1",
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no",
                                        "--daemonize",
                                        "no",
                                        "--dir",
                                        folder_,
                                        "--enable-debug-command",
                                        "yes"};
  if (!options_.tcp) arguments.insert(arguments.end(), {"--unixsocket", socket_});
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  process_ = std::make_unique<integration::Process>(std::move(arguments));
  bool ended = false;
  const bool there = integration::Eventually([&] {
    ended = process_->Wait(integration::Millis(0)).has_value();
    if (ended) return true;
    context_ = Connect();
    return context_ != nullptr;
  });
  return there && !ended;
}

redisContext* RedisServer::Connect() const {
  redisContext* context =
      options_.tcp ? redisConnect("127.0.0.1", port_) : redisConnectUnix(socket_.c_str());
  if (context == nullptr || context->err != 0) {
    if (context != nullptr) redisFree(context);
    return nullptr;
  }
  const timeval patience{.tv_sec = integration::WaitMax().count() / 1000, .tv_usec = 0};
  redisSetTimeout(context, patience);
  if (options_.password.empty()) return context;
  auto* reply =
      static_cast<redisReply*>(redisCommand(context, "AUTH %s", options_.password.c_str()));
  if (reply == nullptr || reply->type == REDIS_REPLY_ERROR) Die("does not know its password");
  freeReplyObject(reply);
  return context;
}

void RedisServer::Disconnect() {
  if (context_ != nullptr) redisFree(std::exchange(context_, nullptr));
}

void RedisServer::Kill() {
  Disconnect();
  process_->Signal(SIGKILL);
  if (!process_->Wait(integration::WaitMax())) Die("survives SIGKILL");
}

void RedisServer::Pause() { process_->Signal(SIGSTOP); }

void RedisServer::Resume() { process_->Signal(SIGCONT); }

std::vector<std::string> RedisServer::Ask(const std::vector<std::string>& words) {
  std::vector<const char*> texts;
  std::vector<size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  auto* reply = static_cast<redisReply*>(
      redisCommandArgv(context_, static_cast<int>(words.size()), texts.data(), sizes.data()));
  if (reply == nullptr) Die(std::string("gives no answer: ") + context_->errstr);
  std::vector<std::string> out;
  Flatten(*reply, &out);
  freeReplyObject(reply);
  return out;
}

int64_t RedisServer::Number(const std::vector<std::string>& words) {
  return std::strtoll(Ask(words).at(0).c_str(), nullptr, 10);
}

int64_t RedisServer::NowUs() {
  const std::vector<std::string> time = Ask({"TIME"});
  return std::strtoll(time.at(0).c_str(), nullptr, 10) * 1'000'000 +
         std::strtoll(time.at(1).c_str(), nullptr, 10);
}

}  // namespace pingti::testing_redis
