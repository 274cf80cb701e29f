#include "tests/upstream/test_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include <poll.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tests/upstream/clock.h"

namespace pingti::upstream {
namespace {

// Appends what can be read within `timeout_ms`. 1: bytes, 0: end, -1: error, -2: silence.
int ReadSome(int fd, int timeout_ms, std::string* out) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  if (poll(&wait, 1, timeout_ms) <= 0) return -2;
  char buffer[64 * 1024];
  ssize_t size = read(fd, buffer, sizeof(buffer));
  if (size > 0) out->append(buffer, static_cast<size_t>(size));
  return size > 0 ? 1 : static_cast<int>(size);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  return lower;
}

// Decodes as much of a chunked body as is there; true when its last chunk is.
bool Dechunk(std::string_view raw, std::string* body, std::vector<size_t>* sizes, size_t* used) {
  body->clear();
  sizes->clear();
  size_t at = 0;
  while (true) {
    size_t end = raw.find("\r\n", at);
    if (end == std::string_view::npos) return false;
    size_t size = std::strtoul(std::string(raw.substr(at, end - at)).c_str(), nullptr, 16);
    at = end + 2;
    if (size == 0) {
      *used = at + 2;
      return raw.size() >= at + 2;
    }
    body->append(raw.substr(at, size));
    if (raw.size() < at + size + 2) return false;
    sizes->push_back(size);
    at += size + 2;
  }
}

// Reads a response out of `raw`; true when it is complete, `*used` bytes long.
bool ParseResponse(std::string_view raw, Response* response, size_t* used) {
  size_t head_end = raw.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return false;
  std::string_view head = raw.substr(0, head_end + 2);
  response->status = std::atoi(std::string(head.substr(9, 3)).c_str());
  size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    size_t end = head.find("\r\n", at);
    std::string_view line = head.substr(at, end - at);
    size_t colon = line.find(": ");
    response->headers[Lower(line.substr(0, colon))] = std::string(line.substr(colon + 2));
    at = end + 2;
  }
  std::string_view rest = raw.substr(head_end + 4);
  size_t body_used = 0;
  bool complete = false;
  if (response->headers.contains("transfer-encoding")) {
    complete = Dechunk(rest, &response->body, &response->chunk_sizes, &body_used);
  } else if (response->headers.contains("content-length")) {
    body_used = std::strtoul(response->headers["content-length"].c_str(), nullptr, 10);
    response->body = std::string(rest.substr(0, body_used));
    complete = rest.size() >= body_used;
  } else {
    response->body = std::string(rest);
    body_used = rest.size();
  }
  *used = head_end + 4 + body_used;
  return complete;
}

std::string TextAt(const JsonValue& value, const char* key) {
  JsonValue text = value[key];
  return text.IsString() ? std::string(text.GetString(), text.GetStringLength()) : std::string();
}

void AddDelta(const JsonValue& delta, StreamSummary* summary) {
  std::string text = TextAt(delta, "content");
  std::string reasoning = TextAt(delta, "reasoning_content");
  bool has_tools = delta.HasMember("tool_calls");
  summary->text += text;
  summary->reasoning += reasoning;
  if (!text.empty() || !reasoning.empty() || has_tools) ++summary->content_chunks;
  if (!has_tools) return;
  JsonValue function = delta["tool_calls"][0]["function"];
  summary->tool_name += TextAt(function, "name");
  summary->tool_arguments += TextAt(function, "arguments");
}

}  // namespace

ProviderProcess::ProviderProcess(std::vector<std::string> arguments) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return;
  std::vector<char*> argv = {const_cast<char*>(PINGTI_SIMULATED_PROVIDER)};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // never outlives the tests
    dup2(pipe_fds[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(pipe_fds[1]);
  stdout_ = pipe_fds[0];
  while (output_.find('\n') == std::string::npos) {
    if (ReadSome(stdout_, kDeadlineMs, &output_) != 1) return;
  }
  first_line_ = output_.substr(0, output_.find('\n'));
  size_t colon = first_line_.rfind(':');
  if (first_line_.starts_with("listening on ")) {
    port_ = std::atoi(first_line_.substr(colon + 1).c_str());
  }
}

ProviderProcess::~ProviderProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (stdout_ >= 0) close(stdout_);
}

int ProviderProcess::Wait(bool terminate) {
  if (terminate) kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string ProviderProcess::Output() {
  while (ReadSome(stdout_, kDeadlineMs, &output_) == 1) {
  }
  return output_;
}

RawConnection::RawConnection(int port) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<uint16_t>(port));
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&where), sizeof(where)) != 0) Close();
  int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

RawConnection::~RawConnection() { Close(); }

void RawConnection::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool RawConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

Response RawConnection::Read(int silence_ms) {
  Response response;
  size_t used = 0;
  while (true) {
    if (ParseResponse(buffered_, &response, &used)) {
      response.ended = HowEnded::kComplete;
      break;
    }
    size_t before = buffered_.size();
    int result = ReadSome(fd_, silence_ms, &buffered_);
    if (result == 1) {
      response.arrivals.push_back({MonotonicNs(), buffered_.substr(before)});
      continue;
    }
    response.ended = result == 0    ? HowEnded::kEof
                     : result == -1 ? HowEnded::kReset
                                    : HowEnded::kSilence;
    used = buffered_.size();
    break;
  }
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
    response.data_segments = static_cast<int>(info.tcpi_data_segs_in);
  }
  response.raw = buffered_.substr(0, used);
  buffered_.erase(0, used);
  return response;
}

std::string HttpRequestBytes(std::string_view method, std::string_view path, std::string_view body,
                             const std::vector<std::string>& header_lines) {
  std::string request =
      std::string(method) + " " + std::string(path) +
      " HTTP/1.1\r\nHost: simulated\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  for (const std::string& line : header_lines) request += line + "\r\n";
  return request + "\r\n" + std::string(body);
}

std::string ChatBody(std::string_view prompt, bool stream, std::string_view more,
                     std::string_view model) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(prompt.data(), static_cast<rapidjson::SizeType>(prompt.size()));
  return std::string(R"({"model":")") + std::string(model) + R"(","messages":[{"role":"user",)" +
         R"("content":)" + buffer.GetString() + R"(}],"stream":)" + (stream ? "true" : "false") +
         std::string(more) + "}";
}

Response Fetch(int port, std::string_view method, std::string_view path, std::string_view body,
               const std::vector<std::string>& header_lines, int silence_ms) {
  RawConnection connection(port);
  connection.Send(HttpRequestBytes(method, path, body, header_lines));
  return connection.Read(silence_ms);
}

Response Chat(int port, std::string_view body, const std::vector<std::string>& header_lines,
              int silence_ms) {
  return Fetch(port, "POST", "/v1/chat/completions", body, header_lines, silence_ms);
}

std::vector<SseEvent> ParseSse(std::string_view body) {
  std::vector<SseEvent> events;
  SseEvent event;
  bool has_data = false;
  while (!body.empty()) {
    size_t end = body.find_first_of("\r\n");
    if (end == std::string_view::npos) break;  // an unfinished line is no line
    std::string_view line = body.substr(0, end);
    body.remove_prefix(body.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
    if (line.empty()) {
      if (has_data) events.push_back(event);
      event = {};
      has_data = false;
      continue;
    }
    size_t colon = line.find(':');
    std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") event.name = std::string(value);
    if (field != "data") continue;
    if (has_data) event.data += '\n';
    event.data += value;
    has_data = true;
  }
  return events;
}

StreamSummary Summarize(const std::vector<SseEvent>& events) {
  StreamSummary summary;
  for (const SseEvent& event : events) {
    size_t first = event.data.find_first_not_of(' ');
    if (first != std::string::npos && event.data.substr(first) == "[DONE]") {
      summary.done = true;
      continue;
    }
    JsonDocument chunk = Json(event.data);
    if (chunk.HasParseError() || !chunk.IsObject()) {
      ++summary.malformed;
      continue;
    }
    summary.error = summary.error || chunk.HasMember("error");
    if (!chunk.HasMember("choices")) continue;
    summary.usages.push_back(chunk.HasMember("usage") ? chunk["usage"].ToString() : "-");
    summary.choices_sizes.push_back(static_cast<int>(chunk["choices"].Size()));
    for (const JsonValue& choice : chunk["choices"].GetArray()) {
      AddDelta(choice["delta"], &summary);
      std::string finish = TextAt(choice, "finish_reason");
      if (!finish.empty()) summary.finish_reason = finish;
    }
  }
  return summary;
}

JsonValue JsonValue::operator[](const char* key) const {
  simdjson::dom::element found;
  bool has = there_ && element_[key].get(found) == simdjson::SUCCESS;
  return has ? JsonValue(found) : JsonValue();
}

JsonValue JsonValue::At(size_t index) const {
  std::vector<JsonValue> all = GetArray();
  return index < all.size() ? all[index] : JsonValue();
}

std::vector<JsonValue> JsonValue::GetArray() const {
  std::vector<JsonValue> all;
  simdjson::dom::array array;
  if (!there_ || element_.get(array) != simdjson::SUCCESS) return all;
  for (simdjson::dom::element each : array) all.emplace_back(each);
  return all;
}

const char* JsonValue::GetString() const {
  const char* text = nullptr;
  return there_ && element_.get(text) == simdjson::SUCCESS ? text : "(none)";
}

size_t JsonValue::GetStringLength() const {
  std::string_view text;
  return there_ && element_.get(text) == simdjson::SUCCESS ? text.size() : 0;
}

int64_t JsonValue::GetInt() const {
  int64_t number = 0;
  return there_ && element_.get(number) == simdjson::SUCCESS ? number : kNoNumber;
}

double JsonValue::GetDouble() const {
  double number = 0;
  return there_ && element_.get(number) == simdjson::SUCCESS ? number
                                                             : static_cast<double>(kNoNumber);
}

bool JsonValue::GetBool() const {
  bool flag = false;
  return there_ && element_.get(flag) == simdjson::SUCCESS && flag;
}

std::string JsonValue::ToString() const {
  return there_ ? std::string(simdjson::minify(element_)) : std::string();
}

JsonDocument::JsonDocument(std::string_view text) {
  there_ = parser_->parse(text.data(), text.size()).get(element_) == simdjson::SUCCESS;
}

}  // namespace pingti::upstream
