#include "server/telemetry/families.h"

#include <limits>

#include "server/base/text.h"
#include "server/telemetry/utf8.h"

namespace pingti::telemetry {

LabelList MakeLabels(
    std::initializer_list<std::pair<const char*, std::string_view>> names_and_values) {
  LabelList labels;
  labels.reserve(names_and_values.size());
  for (const auto& [name, value] : names_and_values) {
    const bool clean = base::IsValidUtf8(value);
    labels.push_back({name, clean ? std::string(value) : CleanUtf8(value, 3 * value.size())});
  }
  return labels;
}

void Family::Add(LabelList labels, double value) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label = std::move(labels);
  if (family_.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

void Family::Add(LabelList labels, std::span<const Histogram* const> parts) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label = std::move(labels);
  const std::span<const double> bounds = parts.front()->bounds();
  metric.histogram.bucket.reserve(bounds.size() + 1);
  uint64_t cumulative = 0;
  for (size_t i = 0; i <= bounds.size(); ++i) {
    for (const Histogram* part : parts) cumulative += static_cast<uint64_t>(part->count(i));
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({cumulative, bound});
  }
  // The count is the last bucket, not a number of its own: so both agree while a worker observes.
  metric.histogram.sample_count = cumulative;
  for (const Histogram* part : parts) metric.histogram.sample_sum += part->sum();
}

void Family::MoveTo(std::vector<prometheus::MetricFamily>* out) {
  if (!family_.metric.empty()) out->push_back(std::move(family_));
}

}  // namespace pingti::telemetry
