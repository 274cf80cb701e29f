// One connection to the database that keeps accounts and money: SQLite in a file of our own, or
// PostgreSQL that many replicas share. Both speak through SOCI.
//
// Statements are written once for both engines. They throw soci::soci_error; that never leaves
// Transact(), which turns it into a status. Thread-safety: none; one thread owns a Database.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace soci {
class session;
}  // namespace soci

namespace pingti::storage {

enum class Engine { kSqlite, kPostgres };
std::string_view EngineName(Engine engine);

struct DatabaseOptions {
  Engine engine = Engine::kSqlite;
  // SQLite: path of the file; it is made where it is not there, with mode 0600.
  std::string path;
  // PostgreSQL: a connection string of libpq, `host=... dbname=...` or `postgresql://...`. May have
  // a password: never print it.
  std::string connection;
  // A second connection beside one that is open: writes nothing, and each of its transactions sees
  // the database as it was at one moment.
  bool read_only = false;
  // Of the schema (migrations.h). Lower in tests of what becomes of older databases.
  int64_t last_step = std::numeric_limits<int64_t>::max();
};

// What belongs to a connection and goes with it: prepared statements, and what a transaction has
// read.
class Attachment {
 public:
  virtual ~Attachment() = default;
  // Around each transaction: forget what an earlier one has read that may be otherwise now; write
  // what was not written yet. One that is not followed by Committed() was undone, or may have been.
  virtual void BeginTransaction() = 0;
  virtual void BeforeCommit() = 0;
  virtual void Committed() = 0;
};

class Database {
 public:
  // Connects and brings the schema up to date (migrations.h). Errors: UNAVAILABLE where the engine
  // cannot be reached, FAILED_PRECONDITION where the database is not one of ours, damaged, of a
  // newer version, or in use by another process (SQLite). May block.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const DatabaseOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs `work` in one transaction and commits it. An error: nothing of it was kept, but for an
  // UNAVAILABLE at the commit, where it is not known: read what you wrote. Codes:
  //   ABORTED             it was in somebody's way (serialization, deadlock): run it again
  //   UNAVAILABLE         the connection is lost: open a new Database
  //   RESOURCE_EXHAUSTED  the disk is full
  //   FAILED_PRECONDITION the database is read-only
  //   INTERNAL            anything else, such as a constraint that a mistake of ours has broken
  absl::Status Transact(const std::function<void()>& work);

  // In a transaction: writes something that means nothing. Tells whether it can be written.
  void WriteProbe();

  soci::session& session() { return *session_; }
  Engine engine() const { return engine_; }
  // False once UNAVAILABLE was answered.
  bool connected() const { return connected_; }

  void Attach(std::unique_ptr<Attachment> attachment) { attachment_ = std::move(attachment); }
  Attachment* attachment() { return attachment_.get(); }

 private:
  explicit Database(Engine engine);
  absl::Status Lock(const std::string& path);
  absl::Status PrepareSqlite(bool read_only);
  void PreparePostgres(bool read_only);
  absl::Status Failed();  // of the exception at hand

  const Engine engine_;
  int lock_fd_ = -1;  // SQLite: one process only
  bool connected_ = true;
  std::unique_ptr<soci::session> session_;
  std::unique_ptr<Attachment> attachment_;  // its statements end before the session
};

}  // namespace pingti::storage
