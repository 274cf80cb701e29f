// Writes protobuf's wire format without its messages, where one would be made only to be written:
// the details of a refusal are to cost little.
//
// Thread-safety: none. What is written of a field is what protobuf's own classes would write of
// one that is set; the order is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pingti::rpc {

class WireWriter {
 public:
  // Appends to `out`, which outlives it.
  explicit WireWriter(std::string* out) : out_(out) {}

  // A field of type int32, int64 or an enumeration.
  void Number(uint32_t field, int64_t value) {
    Varint(field << kTypeBits);
    Varint(static_cast<uint64_t>(value));
  }

  // A field of type string or bytes.
  void Text(uint32_t field, std::string_view text) {
    Varint(field << kTypeBits | kHasLength);
    Varint(text.size());
    out_->append(text);
  }

  // A piece of a field's value, within Message().
  void Raw(std::string_view piece) { out_->append(piece); }

  // A field whose value is a message, or bytes that are one: what `fill()` writes.
  template <typename Fill>
  void Message(uint32_t field, Fill fill) {
    Varint(field << kTypeBits | kHasLength);
    const size_t begin = out_->size();
    fill();
    char bytes[kVarintBytesMax];
    out_->insert(begin, bytes, Encode(out_->size() - begin, bytes));
  }

 private:
  static constexpr int kTypeBits = 3;
  static constexpr uint32_t kHasLength = 2;
  static constexpr size_t kVarintBytesMax = 10;

  static size_t Encode(uint64_t value, char* bytes) {
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
    bytes[size++] = static_cast<char>(value);
    return size;
  }

  void Varint(uint64_t value) {
    char bytes[kVarintBytesMax];
    out_->append(bytes, Encode(value, bytes));
  }

  std::string* const out_;
};

}  // namespace pingti::rpc
