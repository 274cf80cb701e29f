// The timers of one attempt that are not libcurl's: first token, silence, gap between content,
// total.
//
// Pure: time comes in as a value, and nothing fires by itself. While the caller does not read, the
// provider is held back by us, so only the total counts then.
#pragma once

#include <algorithm>
#include <optional>

#include "server/base/clock.h"
#include "server/config/config.h"
#include "server/model/failure.h"

namespace pingti::exchange {

class AttemptTimers {
 public:
  // `stream` false: the answer comes in one piece, so that only the total says when it is late.
  // `timeouts` outlives this.
  AttemptTimers(const config::Timeouts& timeouts, base::Instant started, bool stream)
      : timeouts_(&timeouts), started_(started), stream_(stream) {}

  void OnBytes(base::Instant now) { last_bytes_ = now; }
  void OnContent(base::Instant now) { last_content_ = now; }
  // The caller has stopped reading, or reads again.
  void Hold() { held_ = true; }
  void Release(base::Instant now) {
    if (!held_) return;
    held_ = false;
    if (last_bytes_) last_bytes_ = now;
    if (last_content_) last_content_ = now;
  }

  // When Check() will have something to say if nothing happens before.
  base::Instant Next() const {
    base::Instant next = started_ + timeouts_->total;
    if (held_ || !stream_) return next;
    if (!last_content_) return std::min(next, started_ + timeouts_->first_token);
    next = std::min(next, *last_content_ + timeouts_->content_gap);
    if (last_bytes_) next = std::min(next, *last_bytes_ + timeouts_->silence);
    return next;
  }

  // The timer that is over at `now`.
  std::optional<model::Failure> Check(base::Instant now) const {
    using model::FailureClass;
    if (now >= started_ + timeouts_->total) {
      return model::LocalFailure(FailureClass::kTotalTimeout,
                                 "the answer took longer than allowed");
    }
    if (held_ || !stream_) return std::nullopt;
    if (!last_content_) {
      if (now < started_ + timeouts_->first_token) return std::nullopt;
      return model::LocalFailure(FailureClass::kFirstTokenTimeout, "no content came in time");
    }
    if (now >= *last_content_ + timeouts_->content_gap) {
      return model::LocalFailure(FailureClass::kStalled, "no content came for too long");
    }
    if (last_bytes_ && now >= *last_bytes_ + timeouts_->silence) {
      return model::LocalFailure(FailureClass::kStalled, "the provider fell silent");
    }
    return std::nullopt;
  }

 private:
  const config::Timeouts* timeouts_;
  base::Instant started_;
  bool stream_;
  std::optional<base::Instant> last_bytes_;
  std::optional<base::Instant> last_content_;
  bool held_ = false;
};

}  // namespace pingti::exchange
