// An attempt of a call that runs beside the one at hand (hedge.cc): what the Call's members of the
// same names are, while they are the other one's.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "server/base/clock.h"
#include "server/exchange/attempt_timers.h"
#include "server/exchange/view.h"
#include "server/providers/dialect.h"
#include "server/quota/reservation.h"
#include "server/transport/http_transport.h"

namespace pingti::exchange {

struct Rival {
  const TargetSeries* at = nullptr;
  const routing::Target* target = nullptr;
  const KeySeries* key = nullptr;
  bool probe = false;
  quota::Reservation provider_reservation;
  std::unique_ptr<transport::HttpTransfer> transfer;
  std::optional<AttemptTimers> timers;
  base::Instant attempt_started;
  std::vector<providers::Adaptation> adaptations;
};

}  // namespace pingti::exchange
