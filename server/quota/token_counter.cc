#include "server/quota/token_counter.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace pingti::quota {
namespace {

// What is counted, and its weight in hundredths of a token.
constexpr uint8_t kLetterWeight = 15;     // of ASCII
constexpr uint8_t kWordStartWeight = 50;  // a letter after anything else
constexpr uint8_t kHumpWeight = 145;      // an upper-case letter after a lower-case one
constexpr uint8_t kDigitWeight = 30;      // encoders cut numbers into threes
constexpr uint8_t kNumberStartWeight = 115;
constexpr uint8_t kSignWeight = 35;  // ASCII that is none of the others
constexpr uint8_t kSignsStartWeight = 15;
constexpr uint8_t kGapWeight = 135;        // white spaces in a row: an indent, an empty line
constexpr uint8_t kTwoBytesWeight = 47;    // Latin with accents, Greek, Cyrillic, Hebrew, Arabic
constexpr uint8_t kEastAsianWeight = 100;  // Han, Kana, Hangul
constexpr uint8_t kThreeBytesWeight = 78;  // Thai, Devanagari, typographic and full-width signs
constexpr uint8_t kFourBytesWeight = 200;  // emoji, rare Han

// kTail continues a sequence, counts nothing and is what stands before a text.
enum Kind : uint8_t {
  kTail,
  kLower,
  kUpper,
  kDigit,
  kSpace,
  kSign,
  kTwoBytes,
  kThreeBytes,
  kEastAsian,
  kFourBytes,
};
constexpr int kKindBits = 4;
// The weight of a byte depends on the two before it.
constexpr uint32_t kTrailMask = (1u << (3 * kKindBits)) - 1;

constexpr Kind KindOf(int c) {
  if (c >= 'a' && c <= 'z') return kLower;
  if (c >= 'A' && c <= 'Z') return kUpper;
  if (c >= '0' && c <= '9') return kDigit;
  if (c == ' ' || (c >= '\t' && c <= '\r')) return kSpace;
  if (c < 0x80) return kSign;
  if (c < 0xc0) return kTail;
  if (c < 0xe0) return kTwoBytes;
  if (c < 0xf0) return c >= 0xe3 && c <= 0xed ? kEastAsian : kThreeBytes;
  return kFourBytes;
}

constexpr bool IsLetter(int kind) { return kind == kLower || kind == kUpper; }

constexpr uint8_t WeightOf(int before_last, int last, int kind) {
  switch (kind) {
    case kLower:
      return kLetterWeight + (IsLetter(last) ? 0 : kWordStartWeight);
    case kUpper:
      if (last == kLower) return kLetterWeight + kHumpWeight;
      return kLetterWeight + (IsLetter(last) ? 0 : kWordStartWeight);
    case kDigit:
      return kDigitWeight + (last == kDigit ? 0 : kNumberStartWeight);
    case kSign:
      return kSignWeight + (last == kSign ? 0 : kSignsStartWeight);
    case kSpace:
      return last == kSpace && before_last != kSpace ? kGapWeight : 0;
    case kTwoBytes:
      return kTwoBytesWeight;
    case kThreeBytes:
      return kThreeBytesWeight;
    case kEastAsian:
      return kEastAsianWeight;
    case kFourBytes:
      return kFourBytesWeight;
    default:
      return 0;
  }
}

constexpr auto kKinds = [] {
  std::array<uint8_t, 256> kinds{};
  for (int c = 0; c < 256; ++c) kinds[c] = KindOf(c);
  return kinds;
}();

// By the kinds of a byte (lowest bits) and the two before it. 4 KiB, of which a text touches a few
// lines.
constexpr auto kWeights = [] {
  std::array<uint8_t, kTrailMask + 1> weights{};
  constexpr int kMask = (1 << kKindBits) - 1;
  for (int trail = 0; trail <= static_cast<int>(kTrailMask); ++trail) {
    weights[trail] =
        WeightOf(trail >> (2 * kKindBits), (trail >> kKindBits) & kMask, trail & kMask);
  }
  return weights;
}();

}  // namespace

void TokenCounter::Add(std::string_view piece) {
  uint32_t trail = trail_;
  int64_t hundredths = 0;
#pragma GCC unroll 8
  for (const char c : piece) {
    trail = trail << kKindBits | kKinds[static_cast<uint8_t>(c)];
    hundredths += kWeights[trail & kTrailMask];
  }
  trail_ = trail;
  hundredths_ += hundredths;
}

int64_t TokenCounter::tokens() const {
  return hundredths_ == 0 ? 0 : std::max<int64_t>(1, (hundredths_ + 50) / 100);
}

int64_t EstimateTextTokens(std::string_view text) {
  TokenCounter counter;
  counter.Add(text);
  return counter.tokens();
}

}  // namespace pingti::quota
