#include "server/quota/image_size.h"

#include <array>
#include <cstddef>

#include "absl/strings/match.h"
#include "server/base/strings.h"

namespace pingti::quota {
namespace {

// Of a JPEG before its frame header. A camera writes fewer than 30.
constexpr int kJpegSegmentsMax = 200;

constexpr auto kBase64Values = [] {
  std::array<int8_t, 256> values{};
  for (int8_t& value : values) value = -1;
  for (int i = 0; i < 26; ++i) {
    values['A' + i] = static_cast<int8_t>(i);
    values['a' + i] = static_cast<int8_t>(26 + i);
  }
  for (int i = 0; i < 10; ++i) values['0' + i] = static_cast<int8_t>(52 + i);
  values['+'] = values['-'] = 62;  // `-` and `_`: the alphabet for URLs
  values['/'] = values['_'] = 63;
  return values;
}();

// Bytes as they are, or in base64. Reading past the end, or where the base64 is none, gives zeros
// and is remembered.
class Source {
 public:
  Source(std::string_view text, bool base64) : text_(text), base64_(base64) {}

  bool failed() const { return failed_; }

  int64_t Byte(size_t i) { return base64_ ? Decoded(i) : Plain(i); }

  int64_t BigEndian(size_t i, int bytes) {
    int64_t value = 0;
    for (int k = 0; k < bytes; ++k) value = value << 8 | Byte(i + k);
    return value;
  }
  int64_t LittleEndian(size_t i, int bytes) {
    int64_t value = 0;
    for (int k = bytes - 1; k >= 0; --k) value = value << 8 | Byte(i + k);
    return value;
  }
  bool Has(size_t i, std::string_view expected) {
    for (size_t k = 0; k < expected.size(); ++k) {
      if (Byte(i + k) != static_cast<uint8_t>(expected[k])) return false;
    }
    return true;
  }

 private:
  int64_t Plain(size_t i) {
    if (i < text_.size()) return static_cast<uint8_t>(text_[i]);
    failed_ = true;
    return 0;
  }

  // Every four characters are three bytes, so a byte is in two neighbours.
  int64_t Decoded(size_t i) {
    const size_t first = i / 3 * 4 + i % 3;
    if (first + 1 >= text_.size()) {
      failed_ = true;
      return 0;
    }
    const int high = kBase64Values[static_cast<uint8_t>(text_[first])];
    const int low = kBase64Values[static_cast<uint8_t>(text_[first + 1])];
    if (high < 0 || low < 0) {
      failed_ = true;
      return 0;
    }
    const int shift = 2 * (static_cast<int>(i % 3) + 1);
    return (high << shift | low >> (6 - shift)) & 0xff;
  }

  const std::string_view text_;
  const bool base64_;
  bool failed_ = false;
};

ImageSize Png(Source& in) { return {in.BigEndian(16, 4), in.BigEndian(20, 4)}; }

ImageSize Gif(Source& in) { return {in.LittleEndian(6, 2), in.LittleEndian(8, 2)}; }

// RFC 9649: lossy, lossless, or extended.
ImageSize WebP(Source& in) {
  if (in.Has(12, "VP8 ") && in.Has(23, "\x9d\x01\x2a")) {
    return {in.LittleEndian(26, 2) & 0x3fff, in.LittleEndian(28, 2) & 0x3fff};
  }
  if (in.Has(12, "VP8L") && in.Has(20, "\x2f")) {
    const int64_t bits = in.LittleEndian(21, 4);
    return {(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
  }
  if (in.Has(12, "VP8X")) return {in.LittleEndian(24, 3) + 1, in.LittleEndian(27, 3) + 1};
  return {};
}

// Walks the segments up to the frame header: any SOF, which are 0xc0 to 0xcf without DHT, JPG and
// DAC.
ImageSize Jpeg(Source& in) {
  size_t at = 2;
  for (int i = 0; i < kJpegSegmentsMax && !in.failed(); ++i) {
    if (in.Byte(at) != 0xff) return {};
    const int64_t marker = in.Byte(at + 1);
    if (marker == 0xff) {  // a fill byte
      ++at;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
      return {in.BigEndian(at + 7, 2), in.BigEndian(at + 5, 2)};
    }
    // The scan or the end came first, or one that stands alone where none belongs.
    if (marker == 0 || (marker >= 0xd0 && marker <= 0xda)) return {};
    const int64_t length = in.BigEndian(at + 2, 2);
    if (length < 2) return {};
    at += 2 + static_cast<size_t>(length);
  }
  return {};
}

ImageSize ReadAny(Source& in) {
  using std::string_view_literals::operator""sv;
  if (in.Has(0, "\x89PNG\r\n\x1a\n") && in.Has(12, "IHDR")) return Png(in);
  if (in.Has(0, "\xff\xd8\xff")) return Jpeg(in);
  if (in.Has(0, "GIF87a"sv) || in.Has(0, "GIF89a"sv)) return Gif(in);
  if (in.Has(0, "RIFF") && in.Has(8, "WEBP")) return WebP(in);
  return {};
}

std::optional<ImageSize> Read(Source in) {
  const ImageSize size = ReadAny(in);
  if (in.failed() || size.width < 1 || size.height < 1) return std::nullopt;
  return size;
}

}  // namespace

std::optional<ImageSize> ReadImageSize(std::string_view bytes) {
  return Read(Source(bytes, /*base64=*/false));
}

std::optional<ImageSize> ReadImageSizeOfDataUrl(std::string_view url) {
  constexpr size_t kSchemeBytes = 5;
  if (!absl::StartsWithIgnoreCase(base::AbslView(url.substr(0, kSchemeBytes)), "data:")) {
    return std::nullopt;
  }
  const size_t comma = url.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const std::string_view head = url.substr(0, comma);
  if (!absl::EndsWithIgnoreCase(base::AbslView(head), ";base64")) return std::nullopt;
  return Read(Source(url.substr(comma + 1), /*base64=*/true));
}

}  // namespace pingti::quota
