// What the process costs its machine, read from /proc: the standard `process_*` metrics, and
// `pingti_build_info`. Private to this folder.
#pragma once

#include <vector>

#include "prometheus/metric_family.h"

namespace pingti::telemetry {

// Appends them; what /proc does not give is left out. `start_time` as ProcessStartTime() gives it.
void AddProcessMetrics(double start_time, std::vector<prometheus::MetricFamily>* out);

// Seconds since the Unix epoch at which this process started; 0 where /proc does not say.
double ProcessStartTime();

}  // namespace pingti::telemetry
