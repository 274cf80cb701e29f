#include "server/base/text.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <utility>

namespace pingti::base {

namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

// A prefix shorter than this says too little about what was meant.
constexpr size_t kPrefixBytesMin = 3;

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the well-formed sequence at `p`, which begins with a byte of 0x80 or more; 0: none.
size_t SequenceBytes(const unsigned char* p, size_t left) {
  const unsigned char first = p[0];
  if (first < 0xC2) return 0;
  if (first < 0xE0) return left >= 2 && IsContinuation(p[1]) ? 2 : 0;
  if (first < 0xF0) {
    if (left < 3 || !IsContinuation(p[1]) || !IsContinuation(p[2])) return 0;
    if (first == 0xE0 && p[1] < 0xA0) return 0;   // overlong
    if (first == 0xED && p[1] >= 0xA0) return 0;  // surrogate
    return 3;
  }
  if (first > 0xF4 || left < 4) return 0;
  if (!IsContinuation(p[1]) || !IsContinuation(p[2]) || !IsContinuation(p[3])) return 0;
  if (first == 0xF0 && p[1] < 0x90) return 0;   // overlong
  if (first == 0xF4 && p[1] >= 0x90) return 0;  // past U+10FFFF
  return 4;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

template <typename Name>
std::vector<std::string> Nearest(std::string_view name, std::span<const Name> names,
                                 size_t count_max) {
  if (name.empty() || name.size() > kComparedNameBytesMax) return {};
  const std::string wanted = Lowered(name);
  const size_t distance_max = std::max<size_t>(2, name.size() / 3);
  std::vector<std::pair<size_t, size_t>> near;  // distance, position
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string_view candidate = names[i];
    if (candidate.size() > kComparedNameBytesMax) continue;
    const size_t longer = std::max(candidate.size(), name.size());
    const size_t shorter = std::min(candidate.size(), name.size());
    const bool may_begin = name.size() >= kPrefixBytesMin && candidate.size() > name.size();
    if (longer - shorter > distance_max && !may_begin) continue;
    const std::string lowered = Lowered(candidate);
    const size_t distance = EditDistance(wanted, lowered);
    // A distance as long as the name itself would replace all of it.
    const bool is_near = distance <= distance_max && distance < longer;
    const bool begins = may_begin && lowered.compare(0, wanted.size(), wanted) == 0;
    if (is_near || begins) near.emplace_back(distance, i);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> found;
  for (size_t i = 0; i < near.size() && i < count_max; ++i) {
    found.emplace_back(names[near[i].second]);
  }
  return found;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  size_t left = text.size();
  while (left > 0) {
    if (left >= sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, p, sizeof(word));
      if ((word & kHighBits) == 0) {
        p += sizeof(word);
        left -= sizeof(word);
        continue;
      }
    }
    const size_t bytes = *p < 0x80 ? 1 : SequenceBytes(p, left);
    if (bytes == 0) return false;
    p += bytes;
    left -= bytes;
  }
  return true;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  // One row of the table of distances between the prefixes of both, updated in place.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::vector<std::string> NearestNames(std::string_view name, std::span<const std::string> names,
                                      size_t count_max) {
  return Nearest(name, names, count_max);
}

std::vector<std::string> NearestNames(std::string_view name,
                                      std::span<const std::string_view> names, size_t count_max) {
  return Nearest(name, names, count_max);
}

}  // namespace pingti::base
