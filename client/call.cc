#include "client/call.h"

#include <grpc/support/time.h>

#include <algorithm>

namespace pingti::client {
namespace {

// A year: far enough to mean "as long as it takes", near enough for every clock's arithmetic.
constexpr std::chrono::milliseconds kDeadlineMax = std::chrono::hours(24 * 365);

// On gRPC's monotonic clock: a step of the wall clock neither ends a call nor prolongs it.
gpr_timespec FromNow(std::chrono::milliseconds deadline) {
  const auto bounded = std::clamp(deadline, std::chrono::milliseconds(0), kDeadlineMax);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_millis(bounded.count(), GPR_TIMESPAN));
}

}  // namespace

CallContext::CallContext(const std::string& authorization,
                         std::chrono::milliseconds default_deadline, const CallOptions& options)
    : on_cancel_(options.cancel, Canceller{&context_}) {
  context_.set_deadline(FromNow(options.deadline.value_or(default_deadline)));
  if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
}

}  // namespace pingti::client
