// The tables behind a Registry. Private to this folder.
#pragma once

#include "server/telemetry/call_stats.h"
#include "server/telemetry/series_table.h"

namespace pingti::telemetry {

class Tables {
 public:
  Tables(int workers, int series_max)
      : calls(workers, series_max),
        models(workers, series_max),
        attempts(workers, series_max),
        providers(workers, series_max),
        quotas(workers, series_max) {}

  SeriesTable<CallLabels, CallStats> calls;
  SeriesTable<ModelLabels, ModelStats> models;
  SeriesTable<AttemptLabels, AttemptStats> attempts;
  SeriesTable<ProviderLabels, ProviderStats> providers;
  SeriesTable<QuotaLabels, QuotaStats> quotas;
};

}  // namespace pingti::telemetry
