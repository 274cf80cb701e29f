// Where `pingti` finds the API key when neither flag nor environment gives one.
//
// Thread-safety: pure, but for the file system. Errors: as sentences for people that name the file
// and what to do; the key itself is in none of them.
#pragma once

#include <optional>
#include <string>

#include "client/result.h"

namespace pingti::command {

inline constexpr char kKeyFile[] = "key";             // the tenant's
inline constexpr char kAdminKeyFile[] = "admin-key";  // the administrator's

// `$XDG_CONFIG_HOME/pingti/<name>`, else `$HOME/.config/pingti/<name>`; empty where neither is an
// absolute path. A null pointer is a variable that is not set.
std::string KeyFilePath(const char* xdg_config_home, const char* home,
                        const std::string& name = kKeyFile);

// The key in the file; nothing: there is no such file. An error: it is not a regular file, others
// than its owner may read or write it (the mode must be 0600 or stricter, as for an SSH key), it
// cannot be read, or what it holds is no key. White space around the key does not count.
client::Result<std::optional<std::string>> ReadKeyFile(const std::string& path);

}  // namespace pingti::command
