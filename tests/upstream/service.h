// What the simulated provider does with a request: knobs, limits, faults, the answer, the books.
//
// One Service per loop thread, confined to it; the loops share a World.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "tests/upstream/chat_request.h"
#include "tests/upstream/http_parser.h"
#include "tests/upstream/script.h"
#include "tests/upstream/world.h"

namespace pingti::upstream {

// A request that is being answered.
struct Exchange {
  std::shared_ptr<const Script> script;
  bool booked = false;  // a chat completion: must be ended with Service::End
  uint64_t ticket = 0;
};

// Canned answers that a loop keeps; with more, all are forgotten and built anew.
inline constexpr size_t kCannedMax = 256;

class Service {
 public:
  Service(World& world, int loop);

  Exchange Handle(const HttpRequest& request, int64_t now_ns);

  // The reply to bytes that are no request.
  static std::shared_ptr<const Script> BadRequest(int status);

  // Books the end of an exchange: how, and how much of its content went out.
  void End(const Exchange& exchange, Ended ended, int64_t now_ns, int64_t disconnect_ns,
           int64_t content_bytes, int64_t chunks);

  Ledger& ledger() { return ledger_; }

 private:
  Exchange HandleChat(const HttpRequest& request, int64_t now_ns);
  // The canned answer where nothing about the request can change it; else null.
  std::shared_ptr<const Script> FastCanned(const HttpRequest& request);
  std::shared_ptr<const Script> Respond(const HttpRequest& request, RequestRecord* record,
                                        int64_t now_ns);
  struct Form {
    Protocol protocol;
    bool close;
    bool canned;
  };
  std::shared_ptr<const Script> Answered(const ChatRequest& chat, const Knobs& knobs,
                                         const Reply& frame, const Form& form, uint64_t id);
  std::shared_ptr<const Script> Canned(const Knobs& knobs, bool stream, bool include_usage,
                                       Protocol protocol);
  // True if the key, a knob or a limit refuses the request: `frame` is the refusal then. Else
  // `frame` has the headers of the limits, and `knobs` no fault that fail_times has used up.
  bool Refuse(const HttpRequest& request, const ChatRequest& chat, Knobs* knobs, int64_t now_ns,
              Reply* frame);
  absl::StatusOr<Knobs> KnobsOf(const HttpRequest& request, const ChatRequest& chat);
  Exchange HandleOther(const HttpRequest& request);
  void Refresh();

  World& world_;
  Ledger& ledger_;
  ChatRequestParser parser_;
  uint64_t generation_ = 0;
  Knobs defaults_;
  bool fast_canned_ = false;
  std::array<std::shared_ptr<const Script>, 8> fast_scripts_;  // [HTTP/2][stream][include_usage]
  std::unordered_map<std::string, std::shared_ptr<const Script>> canned_;
};

}  // namespace pingti::upstream
