#include "tests/upstream/http_parser.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

// A connection that carried a large body gives the memory back.
constexpr size_t kKeptBodyBytesMax = 256 * 1024;
constexpr size_t kChunkLineBytesMax = 1024;

bool SameIgnoringCase(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(base::AbslView(a), base::AbslView(b));
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool HasPrefixIgnoringCase(std::string_view text, std::string_view prefix) {
  return SameIgnoringCase(text.substr(0, prefix.size()), prefix);
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [each, value] : headers) {
    if (SameIgnoringCase(each, name)) return value;
  }
  return {};
}

size_t RequestParser::Feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size()) {
    std::string_view rest = bytes.substr(used);
    switch (state_) {
      case State::kHead:
        used += FeedHead(rest);
        break;
      case State::kBody:
      case State::kChunkData:
        used += FeedBody(rest);
        break;
      case State::kChunkSize:
      case State::kChunkEnd:
      case State::kTrailer:
        used += FeedLine(rest);
        break;
      case State::kComplete:
      case State::kBad:
        return used;
    }
  }
  return used;
}

size_t RequestParser::FeedHead(std::string_view bytes) {
  size_t before = head_.size();
  head_.append(bytes.substr(0, kHeadBytesMax + 1 - std::min(before, kHeadBytesMax)));
  size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    if (head_.size() > kHeadBytesMax) Fail(431);
    return bytes.size();
  }
  head_.resize(end + 4);
  size_t used = head_.size() - before;
  ParseHead();
  return used;
}

void RequestParser::ParseHead() {
  std::string_view rest = head_;
  size_t end = rest.find("\r\n");
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  size_t first = line.find(' ');
  size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last <= first) return Fail(400);
  request_.method = line.substr(0, first);
  request_.target = line.substr(first + 1, last - first - 1);
  std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Fail(400);
  request_.keep_alive = version == "HTTP/1.1";
  while (rest != "\r\n") {
    end = rest.find("\r\n");
    if (!ParseHeaderLine(rest.substr(0, end))) return;
    rest.remove_prefix(end + 2);
  }
  BeginBody();
}

bool RequestParser::ParseHeaderLine(std::string_view line) {
  size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos || request_.headers.size() >= kHeadersMax) {
    Fail(400);
    return false;
  }
  std::string_view name = line.substr(0, colon);
  std::string_view value = Trim(line.substr(colon + 1));
  request_.headers.emplace_back(name, value);
  if (SameIgnoringCase(name, "content-length")) {
    uint64_t length = 0;
    if (!absl::SimpleAtoi(base::AbslView(value), &length)) {
      Fail(400);
      return false;
    }
    if (length > kBodyBytesMax) {
      Fail(413);
      return false;
    }
    left_ = static_cast<size_t>(length);
    has_length_ = true;
  } else if (SameIgnoringCase(name, "transfer-encoding")) {
    chunked_ = SameIgnoringCase(value, "chunked");
  } else if (SameIgnoringCase(name, "connection")) {
    if (SameIgnoringCase(value, "close")) request_.keep_alive = false;
    if (SameIgnoringCase(value, "keep-alive")) request_.keep_alive = true;
  } else if (SameIgnoringCase(name, "expect")) {
    expects_continue_ = SameIgnoringCase(value, "100-continue");
  } else if (HasPrefixIgnoringCase(name, "x-sim-")) {
    request_.has_knobs = true;
  }
  return true;
}

void RequestParser::BeginBody() {
  if (chunked_ && has_length_) return Fail(400);  // smuggling has no place here either
  if (chunked_) {
    state_ = State::kChunkSize;
  } else if (left_ > 0) {
    state_ = State::kBody;
  } else {
    Complete();
  }
}

size_t RequestParser::FeedBody(std::string_view bytes) {
  size_t used = std::min(bytes.size(), left_);
  body_.append(bytes.substr(0, used));
  left_ -= used;
  if (left_ == 0) {
    if (state_ == State::kBody) {
      Complete();
    } else {
      state_ = State::kChunkEnd;
    }
  }
  return used;
}

size_t RequestParser::FeedLine(std::string_view bytes) {
  size_t end = bytes.find('\n');
  size_t used = end == std::string_view::npos ? bytes.size() : end + 1;
  line_.append(bytes.substr(0, used));
  if (line_.size() > kChunkLineBytesMax) {
    Fail(400);
  } else if (end != std::string_view::npos) {
    LineDone();
    line_.clear();
  }
  return used;
}

void RequestParser::LineDone() {
  std::string_view line = line_;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (state_ == State::kChunkEnd) {
    line.empty() ? void(state_ = State::kChunkSize) : Fail(400);
  } else if (state_ == State::kTrailer) {
    if (line.empty()) Complete();
  } else {
    uint64_t size = 0;
    std::string_view digits = Trim(line.substr(0, line.find(';')));
    if (digits.empty() || !absl::SimpleHexAtoi(base::AbslView(digits), &size)) return Fail(400);
    if (size > kBodyBytesMax - body_.size()) return Fail(413);
    left_ = static_cast<size_t>(size);
    state_ = size == 0 ? State::kTrailer : State::kChunkData;
  }
}

void RequestParser::Complete() {
  state_ = State::kComplete;
  body_.reserve(body_.size() + kBodyPadding);
  request_.body = body_;
}

void RequestParser::Fail(int status) {
  state_ = State::kBad;
  bad_status_ = status;
}

void RequestParser::Reset() {
  state_ = State::kHead;
  bad_status_ = 0;
  expects_continue_ = chunked_ = has_length_ = false;
  left_ = 0;
  head_.clear();
  line_.clear();
  if (body_.capacity() > kKeptBodyBytesMax) {
    body_ = std::string();
  } else {
    body_.clear();
  }
  request_.headers.clear();
  request_.body = {};
  request_.keep_alive = true;
  request_.has_knobs = false;
}

}  // namespace pingti::upstream
