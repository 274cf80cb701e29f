// Typed reading of one map of a configuration file.
//
// A `Fields` knows the map's path for messages, and remembers which keys were asked for, so that
// Finish() can report the others. Each reader leaves `*out` as it is where the key is absent or its
// value is wrong, and reports what is wrong; so reading goes on and finds all errors. Values come
// with `${NAME}` expanded. Not thread-safe; lives within one load.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "server/config/diagnostics.h"
#include "server/config/expand.h"
#include "server/config/load.h"
#include "server/config/yaml_tree.h"

namespace pingti::config {

// Most entries of any list or map.
inline constexpr size_t kEntriesMax = 10'000;

// Largest file that holds a secret.
inline constexpr size_t kSecretFileBytesMax = 64 * 1024;

// What all readers of one load share.
struct Context {
  Diagnostics errors;
  const Environment& environment;
  const FileReader& read_file;
  std::string folder;  // that paths are relative to; empty or with a slash at its end
};

// What is wrong with a value, as in value.h; empty: nothing.
using Check = std::string (*)(std::string_view text);

enum class Presence { kOptional, kRequired };

// A value that may be given in the file or in a file of its own.
struct SecretValue {
  std::string text;                    // may be empty
  std::string key;                     // under which it was given; empty: not given at all
  std::vector<std::string> variables;  // that it comes from
};

class Fields {
 public:
  // Reports a node that is neither a map nor empty, and keys that are there twice.
  Fields(const YamlNode& node, std::string path, Context& context);
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  void Bool(std::string_view key, bool* out);
  void Integer(std::string_view key, int64_t* out, int64_t min, int64_t max,
               Presence presence = Presence::kOptional);
  void Integer(std::string_view key, int* out, int min, int max);
  void Integer(std::string_view key, std::optional<int64_t>* out, int64_t min, int64_t max);
  void Bytes(std::string_view key, int64_t* out, int64_t min, int64_t max);
  void Duration(std::string_view key, absl::Duration* out, absl::Duration min, absl::Duration max);

  // A decimal number from 0 to `max`, exactly: `*out` is what it says x 10^`digits`. True where
  // `*out` was set.
  bool Decimal(std::string_view key, int64_t* out, int digits, int64_t max,
               Presence presence = Presence::kOptional);
  // True where `*out` was set.
  bool Date(std::string_view key, absl::CivilDay* out, Presence presence = Presence::kOptional);

  // True where `*out` was set.
  bool Text(std::string_view key, std::string* out, Check check,
            Presence presence = Presence::kOptional);

  // The content of the file that the value of `key` names. Nothing: it is absent, or wrong.
  std::optional<std::string> File(std::string_view key, Check check);

  // A list of texts without repetition.
  void Texts(std::string_view key, std::vector<std::string>* out, Check check);

  // A text that may be empty, unchecked; nothing where it is absent or wrong.
  std::optional<Expanded> Raw(std::string_view key, Presence presence = Presence::kOptional);

  // The value of `key`, or the content of the file that `file_key` names, without the newline at
  // its end. Nothing: it is wrong. Its text never shows in a message. A good value is `check`ed
  // where it is not empty.
  std::optional<SecretValue> Secret(std::string_view key, std::string_view file_key, Check check);

  // Calls `each` for the items of a list, with their paths.
  void List(std::string_view key,
            absl::FunctionRef<void(const YamlNode& item, const std::string& path)> each);

  // The entry itself; null where it is absent.
  const YamlEntry* Get(std::string_view key);

  std::string PathOf(std::string_view key) const;

  // Reports an error in the value of `key`, or in the map where it has none.
  void Error(std::string_view key, std::string_view message);

  // Reports the keys that nobody asked for.
  void Finish();

 private:
  const YamlEntry* Require(std::string_view key, Presence presence);
  std::optional<Expanded> Scalar(const YamlNode& node, const Place& place, const std::string& path);
  std::optional<Expanded> Scalar(std::string_view key, Presence presence, std::string* shown);
  std::string FileContent(const Expanded& path, std::string_view shown, std::string* content);

  const YamlNode& node_;
  const std::string path_;
  Context& context_;
  bool usable_ = true;  // the node is a map or empty
  std::vector<std::string_view> known_;
};

// `path` as it is, or below `folder` where it is relative.
std::string Resolve(const std::string& folder, const std::string& path);

// A value as messages show it: as the file has it, in quotes, escaped and cut.
std::string Shown(std::string_view raw, const Expanded& value);

}  // namespace pingti::config
