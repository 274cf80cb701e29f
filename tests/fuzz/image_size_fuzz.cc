// The heads of images on any bytes: nothing is read past the end, a size is a size, and the same
// bytes in a data: URL have the same one.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/quota/image_size.h"
#include "server/quota/media_tokens.h"

namespace pingti::quota {
namespace {

// Without a byte to spare, so that a sanitizer sees the first one too many.
std::optional<ImageSize> ReadCopy(std::string_view bytes,
                                  std::optional<ImageSize> (*read)(std::string_view)) {
  const auto copy = std::make_unique<char[]>(bytes.size());
  bytes.copy(copy.get(), bytes.size());
  return read({copy.get(), bytes.size()});
}

void Run(std::string_view input) {
  const std::optional<ImageSize> size = ReadCopy(input, &ReadImageSize);
  std::string encoded;
  absl::Base64Escape(base::AbslView(input), &encoded);
  PINGTI_CHECK(ReadCopy("data:;base64," + encoded, &ReadImageSizeOfDataUrl) == size,
               "base64 changes nothing");
  ReadCopy("data:;base64," + std::string(input), &ReadImageSizeOfDataUrl);
  if (!size) return;
  PINGTI_CHECK(size->width >= 1 && size->height >= 1, "an image has pixels");
  const int64_t tokens = HighDetailTokens(*size);
  PINGTI_CHECK(tokens >= 255 && tokens <= 1445, "1 to 8 tiles");
}

}  // namespace
}  // namespace pingti::quota

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::quota::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
