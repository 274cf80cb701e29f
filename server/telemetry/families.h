// Builds prometheus::MetricFamily values out of our series. Private to this folder.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prometheus/metric_family.h"
#include "server/telemetry/counter.h"

namespace pingti::telemetry {

using LabelList = std::vector<prometheus::ClientMetric::Label>;

// Values that are not valid UTF-8, for which Prometheus would refuse the whole scrape, are cleaned.
LabelList MakeLabels(
    std::initializer_list<std::pair<const char*, std::string_view>> names_and_values);

// One metric while its samples are collected.
class Family {
 public:
  Family(std::string name, prometheus::MetricType type, std::string help) {
    family_.name = std::move(name);
    family_.type = type;
    family_.help = std::move(help);
  }

  // A sample of a counter or a gauge.
  void Add(LabelList labels, double value);
  // A sample of a histogram: the sum of `parts`, which have the same bounds and are not empty.
  void Add(LabelList labels, std::span<const Histogram* const> parts);

  // Moves it to the end of `out`; a family without a sample is left out, as the format wants it.
  void MoveTo(std::vector<prometheus::MetricFamily>* out);

 private:
  prometheus::MetricFamily family_;
};

inline Family CounterFamily(std::string name, std::string help) {
  return {std::move(name), prometheus::MetricType::Counter, std::move(help)};
}
inline Family GaugeFamily(std::string name, std::string help) {
  return {std::move(name), prometheus::MetricType::Gauge, std::move(help)};
}
inline Family HistogramFamily(std::string name, std::string help) {
  return {std::move(name), prometheus::MetricType::Histogram, std::move(help)};
}

// The sum of read(object) over the objects of a label set.
template <typename Stats, typename Read>
double Sum(std::span<const Stats* const> objects, Read read) {
  int64_t sum = 0;
  for (const Stats* stats : objects) sum += read(*stats).value();
  return static_cast<double>(sum);
}

// read(object) of each, as the second Add() takes them.
template <typename Stats, typename Read>
std::vector<const Histogram*> Parts(std::span<const Stats* const> objects, Read read) {
  std::vector<const Histogram*> parts;
  parts.reserve(objects.size());
  for (const Stats* stats : objects) parts.push_back(&read(*stats));
  return parts;
}

}  // namespace pingti::telemetry
