// Makes a ledger of a given size, for bench/run.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "bench/ledger/known_ledger.h"

int main(int argc, char** argv) {
  CLI::App app("Makes a ledger (SQLite) with so many tenants, t0 to the last, and charged calls.");
  std::string path;
  int64_t tenants = 10;
  int64_t calls = 0;
  app.add_option("path", path, "file of the ledger")->required();
  app.add_option("--tenants", tenants)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--calls", calls)->check(CLI::Range(0, 100'000'000))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  pingti::billing::KnownLedger(path, tenants, calls);
  return 0;
}
