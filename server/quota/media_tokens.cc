#include "server/quota/media_tokens.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "absl/strings/match.h"
#include "server/base/strings.h"
#include "server/quota/token_counter.h"

namespace pingti::quota {
namespace {

constexpr int64_t kFitPixels = 2'048;
constexpr int64_t kShortSidePixels = 768;
constexpr int64_t kTilePixels = 512;
constexpr int64_t kTokensPerTile = 170;

constexpr int64_t kAudioTokensPerSecond = 10;
constexpr int64_t kAudioBytesPerSecond = 16'000;
// A WAV file may claim anything: 8 kHz in one byte to 192 kHz in eight channels of four.
constexpr int64_t kAudioBytesPerSecondMin = 8'000;
constexpr int64_t kAudioBytesPerSecondMax = 6'144'000;

constexpr int64_t kBinaryBytesPerToken = 16;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// So that `side` becomes `target`; at least one pixel is left of the other.
void ScaleDown(ImageSize* size, int64_t side, int64_t target) {
  if (side <= target) return;
  size->width = std::max<int64_t>(1, size->width * target / side);
  size->height = std::max<int64_t>(1, size->height * target / side);
}

// The canonical header, which all recorders write: the `fmt ` chunk comes first.
std::optional<int64_t> WavBytesPerSecond(std::string_view data) {
  constexpr size_t kRateAt = 28;
  if (data.size() < kRateAt + 4 || data.substr(0, 4) != "RIFF" || data.substr(8, 8) != "WAVEfmt ") {
    return std::nullopt;
  }
  int64_t rate = 0;
  for (size_t i = 4; i-- > 0;) rate = rate << 8 | static_cast<uint8_t>(data[kRateAt + i]);
  return std::clamp(rate, kAudioBytesPerSecondMin, kAudioBytesPerSecondMax);
}

bool IsText(std::string_view media_type) {
  const absl::string_view type = base::AbslView(media_type.substr(0, media_type.find(';')));
  if (absl::StartsWithIgnoreCase(type, "text/")) return true;
  for (const char* name : {"application/json", "application/xml", "application/yaml",
                           "application/javascript", "application/x-ndjson"}) {
    if (absl::EqualsIgnoreCase(type, name)) return true;
  }
  return absl::EndsWithIgnoreCase(type, "+json") || absl::EndsWithIgnoreCase(type, "+xml");
}

}  // namespace

int64_t HighDetailTokens(ImageSize size) {
  ScaleDown(&size, std::max(size.width, size.height), kFitPixels);
  ScaleDown(&size, std::min(size.width, size.height), kShortSidePixels);
  const int64_t tiles = CeilDivide(size.width, kTilePixels) * CeilDivide(size.height, kTilePixels);
  return kTokensLowDetailImage + tiles * kTokensPerTile;
}

int64_t ImageTokens(const model::Image& image) {
  if (image.detail == model::ImageDetail::kLow) return kTokensLowDetailImage;
  const std::optional<ImageSize> size =
      image.data.empty() ? ReadImageSizeOfDataUrl(image.url) : ReadImageSize(image.data);
  return size ? HighDetailTokens(*size) : kTokensUnknownImage;
}

int64_t AudioTokens(const model::Audio& audio) {
  const int64_t rate = WavBytesPerSecond(audio.data).value_or(kAudioBytesPerSecond);
  return CeilDivide(static_cast<int64_t>(audio.data.size()) * kAudioTokensPerSecond, rate);
}

int64_t FileTokens(const model::File& file) {
  if (file.data.empty()) return kTokensUnknownFile;
  if (IsText(file.media_type)) return EstimateTextTokens(file.data);
  return CeilDivide(static_cast<int64_t>(file.data.size()), kBinaryBytesPerToken);
}

}  // namespace pingti::quota
