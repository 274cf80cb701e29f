#include "client/command/quota_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <string_view>
#include <vector>

#include "client/command/format.h"
#include "client/command/table.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

constexpr int kBarCells = 20;

std::string Repeated(std::string_view cell, std::size_t times) {
  std::string out;
  out.reserve(cell.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += cell;
  return out;
}

// A server that does not know of bursts sets no capacity.
std::int64_t CapacityOf(const v1::QuotaBucket& bucket) {
  return bucket.capacity() > 0 ? bucket.capacity() : bucket.limit();
}

Style BarStyle(const v1::QuotaBucket& bucket) {
  if (bucket.remaining() <= 0) return Style::kRed;
  return bucket.remaining() < CapacityOf(bucket) / 5 ? Style::kYellow : Style::kGreen;
}

// The tenant stands above the table already.
std::string NameOf(const v1::QuotaBucket& bucket, const std::string& tenant) {
  const std::string owner = "tenant:" + tenant + "/";
  const bool own = bucket.name().compare(0, owner.size(), owner) == 0;
  return own ? bucket.name().substr(owner.size()) : bucket.name();
}

bool IsFull(const v1::QuotaBucket& bucket) { return bucket.remaining() >= CapacityOf(bucket); }

std::string FullIn(const v1::QuotaBucket& bucket) {
  if (bucket.limit() <= 0) return "never";
  if (bucket.dimension() == v1::QUOTA_DIMENSION_CALLS_AT_ONCE) {
    return IsFull(bucket) ? "now" : "as calls end";
  }
  const auto wait = ToMilliseconds(bucket.full_in());
  return wait.count() == 0 ? "now" : FormatWait(wait);
}

// Local time of day, with the date where that is another day than today, which the bucket tells by
// itself: the server's clock counts, not this machine's.
std::string FullAt(const v1::QuotaBucket& bucket) {
  const auto wait = ToMilliseconds(bucket.full_in());
  const bool waits = bucket.dimension() != v1::QUOTA_DIMENSION_CALLS_AT_ONCE && wait.count() > 0;
  if (!waits || bucket.limit() <= 0 || !bucket.has_full_at()) return "";
  const std::time_t at = bucket.full_at().seconds();
  const std::time_t now = at - static_cast<std::time_t>(wait.count() / 1000);
  std::tm at_parts{};
  std::tm now_parts{};
  if (::localtime_r(&at, &at_parts) == nullptr || ::localtime_r(&now, &now_parts) == nullptr) {
    return "";
  }
  const bool today = at_parts.tm_yday == now_parts.tm_yday && at_parts.tm_year == now_parts.tm_year;
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &at_parts);
  return {text.data(), size};
}

std::string NoteOf(const v1::QuotaBucket& bucket) {
  if (bucket.limit() <= 0) return "no access";
  std::string note;
  if (CapacityOf(bucket) < bucket.limit()) {
    note = "at most " + FormatCount(CapacityOf(bucket)) + " in one go";
  }
  if (bucket.shadow()) note += note.empty() ? "not enforced" : ", not enforced";
  return note;
}

}  // namespace

std::string QuotaBar(std::int64_t remaining, std::int64_t capacity, bool blocks) {
  double share = 0;
  if (capacity > 0 && remaining > 0) {
    share = std::min(1.0, static_cast<double>(remaining) / static_cast<double>(capacity));
  }
  const auto filled = static_cast<std::size_t>(std::lround(share * kBarCells));
  if (blocks) return Repeated("█", filled) + Repeated("░", kBarCells - filled);
  return "[" + std::string(filled, '#') + std::string(kBarCells - filled, '-') + "]";
}

std::string QuotaTable(const v1::GetQuotaResponse& quota, QuotaLook look) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(static_cast<std::size_t>(quota.buckets_size()));
  for (const v1::QuotaBucket& bucket : quota.buckets()) {
    rows.push_back(
        {{NameOf(bucket, quota.tenant())},
         {FormatCount(bucket.limit())},
         {FormatCount(bucket.remaining())},
         {QuotaBar(bucket.remaining(), CapacityOf(bucket), look.blocks), BarStyle(bucket)},
         {FullIn(bucket)},
         {FullAt(bucket)},
         {NoteOf(bucket)}});
  }
  const std::string title =
      VisibleText("tenant " + quota.tenant() + ", " + quota.tier(), LineBreaks::kShow);
  if (rows.empty()) return title + "\n\nno limits\n";
  return title + "\n\n" +
         RenderTable({{"BUCKET"},
                      {"LIMIT", true},
                      {"LEFT", true},
                      {""},
                      {"FULL AGAIN IN", true},
                      {"AT"},
                      {""}},
                     rows, look.color);
}

}  // namespace pingti::command
