// Width and height of an image, from the head of its bytes.
//
// PNG, JPEG, GIF and WebP, told apart by their first bytes, never by what the caller says. The
// bytes are a caller's: nothing is read past their end, whatever lengths they claim, and the work
// is bounded. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pingti::quota {

// Both from 1.
struct ImageSize {
  int64_t width = 0;
  int64_t height = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

// Absent: another format, cut short, or nonsense.
std::optional<ImageSize> ReadImageSize(std::string_view bytes);

// Of an image in a `data:` URL with base64 (RFC 2397). Decodes only the bytes that it needs. Absent
// also for any other URL.
std::optional<ImageSize> ReadImageSizeOfDataUrl(std::string_view url);

}  // namespace pingti::quota
