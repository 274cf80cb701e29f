// A YAML file as a tree in which every key and value knows its line and column.
//
// Only the part of YAML that a configuration needs: one document of maps with text keys, lists and
// scalars. Anchors, aliases and tags are refused: with them, a small file can stand for a huge
// tree, and a person cannot see what a line means without reading another one. The only place that
// knows yaml-cpp; its exceptions end here.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/diagnostics.h"

namespace pingti::config {

// Largest file, and deepest nesting of maps and lists in it.
inline constexpr size_t kFileBytesMax = 1024 * 1024;
inline constexpr size_t kNestingMax = 16;

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  Place place;
  std::string scalar;              // kScalar: the text without its quotes
  std::vector<YamlNode> items;     // kList
  std::vector<YamlEntry> entries;  // kMap, in the file's order; keys may repeat

  // The first entry with this key; null where there is none or this is no map.
  const YamlEntry* Find(std::string_view key) const;
};

struct YamlEntry {
  std::string key;
  Place place;  // of the key
  YamlNode value;
};

// `text`, list, ...: what a node is, for messages.
std::string_view KindName(YamlNode::Kind kind);

// Parses a whole file. Nothing: the reason is in `errors`. `file` is its name for messages and must
// outlive the tree. A file without content is a kNull node.
std::optional<YamlNode> ParseYaml(const std::string& file, std::string_view text,
                                  Diagnostics& errors);

}  // namespace pingti::config
