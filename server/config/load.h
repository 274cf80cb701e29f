// Makes a Config from YAML files: everything is read and checked before anything is started.
//
// All errors are found in one go and reported together, one per line, each as
//   config/pingti.yaml:12:5: providers[0].base_url: "htp://x" is not an http or https URL; write
//   ...
// The first kErrorsShownMax are shown. A file may be up to kFileBytesMax long. What the files may
// say is in config/pingti.yaml; the checks that need more than one entry are:
//   - names are unique within a list of a file; an entry of the main file replaces the one with the
//     same name of the catalogue file;
//   - the provider of a model, the model of an alias, the tier and the models of a tenant exist; an
//     alias does not lead to another alias; public ids of API keys are unique;
//   - at least one provider is on, and at most one of those serves any model.
//
// `${NAME}` in a value is replaced by the environment variable, `${NAME:-default}` by the default
// where that is unset or empty, `$$` by a dollar. Keys of the file are not expanded. Values from
// the environment, secrets and contents of files never appear in errors or notes.
//
// Thread-safety: none needed, nothing is shared. No exceptions leave.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/config.h"

namespace pingti::config {

// Environment variables by name.
using Environment = std::map<std::string, std::string, std::less<>>;

// The variables of this process.
Environment ProcessEnvironment();

// Reads a whole file of at most `bytes_max` bytes; the error's message is the reason in few words,
// without the path.
using FileReader =
    std::function<absl::StatusOr<std::string>(const std::string& path, size_t bytes_max)>;

struct LoadResult {
  Config config;
  // For the log at the start, one line each: which providers and API keys are on or off, and why.
  std::vector<std::string> notes;
};

// Loads the file at `path`; the paths in it are relative to its folder. InvalidArgument: the
// message is the list of errors.
absl::StatusOr<LoadResult> Load(const std::string& path, const Environment& environment);

// The same with the main file's text given; `name` stands for its path. `read_file` gives the other
// files; without one, they cannot be read. Any text is handled, so this is the entry for a fuzzer.
absl::StatusOr<LoadResult> LoadFromString(std::string_view text, const std::string& name,
                                          const Environment& environment,
                                          const FileReader& read_file = nullptr);

}  // namespace pingti::config
