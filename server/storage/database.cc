#include "server/storage/database.h"

#include <fcntl.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "server/base/strings.h"
#include "server/storage/migrations.h"

namespace pingti::storage {
namespace {

// What libpq says of a connection string may repeat it, and with it the password: only the SQLSTATE
// and the first line of what the server said go on.
std::string FirstLine(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// A server that is gone without a word must not hold the storage thread for minutes, as the
// system's own times would. What the operator has written stays.
std::string WithTimeouts(const std::string& connection) {
  const bool is_uri =
      connection.starts_with("postgres://") || connection.starts_with("postgresql://");
  std::string text = connection;
  bool has_parameters = text.find('?') != std::string::npos;
  for (const std::string_view option : {"connect_timeout=5", "tcp_user_timeout=10000"}) {
    const std::string_view name = option.substr(0, option.find('=') + 1);
    if (text.find(name) != std::string::npos) continue;
    base::StrAppend(&text, !is_uri ? " " : has_parameters ? "&" : "?", option);
    has_parameters = true;
  }
  return text;
}

absl::Status SqliteStatus(int result, const std::string& message) {
  switch (result & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(base::StrCat("the disk is full: ", message));
    case SQLITE_READONLY:
      return absl::FailedPreconditionError(base::StrCat("it is read-only: ", message));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::AbortedError(message);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return absl::UnavailableError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::FailedPreconditionError(base::StrCat("it is damaged: ", message));
    default:
      return absl::InternalError(message);
  }
}

absl::Status PostgresStatus(const std::string& state, const std::string& message) {
  const std::string text = base::StrCat(FirstLine(message), " (SQLSTATE ", state, ")");
  const std::string_view of = std::string_view(state).substr(0, 2);
  // 55P03: a lock that another replica has kept for too long.
  if (of == "40" || state == "55P03") return absl::AbortedError(text);
  if (of == "53") return absl::ResourceExhaustedError(text);
  if (state == "25006")
    return absl::FailedPreconditionError(base::StrCat("it is read-only: ", text));
  // Connection exceptions, a shutdown by the operator, and what has no state at all.
  if (of == "08" || of == "57" ||
      state.find_first_not_of(std::string_view(" \0", 2)) == std::string::npos) {
    return absl::UnavailableError("the connection to PostgreSQL is lost");
  }
  return absl::InternalError(text);
}

}  // namespace

std::string_view EngineName(Engine engine) {
  return engine == Engine::kSqlite ? "sqlite" : "postgresql";
}

Database::Database(Engine engine) : engine_(engine) {}

Database::~Database() {
  attachment_.reset();
  session_.reset();
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const DatabaseOptions& options) {
  std::unique_ptr<Database> database(new Database(options.engine));
  if (options.engine == Engine::kSqlite && !options.read_only) {
    absl::Status locked = database->Lock(options.path);
    if (!locked.ok()) return locked;
  }
  absl::Status prepared;
  // Each connection is one thread's: SQLite need not lock it, nor count what it allocates under a
  // lock of all. Before its first use in the process.
  static const int configured = sqlite_api::sqlite3_config(SQLITE_CONFIG_MULTITHREAD) |
                                sqlite_api::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(configured);
  try {
    if (options.engine == Engine::kSqlite) {
      database->session_ = std::make_unique<soci::session>(
          soci::sqlite3, base::StrCat("dbname=", options.path, " timeout=5"));
    } else {
      database->session_ =
          std::make_unique<soci::session>(soci::postgresql, WithTimeouts(options.connection));
    }
    if (options.engine == Engine::kSqlite) {
      prepared = database->PrepareSqlite(options.read_only);
    } else {
      database->PreparePostgres(options.read_only);
    }
    if (prepared.ok() && !options.read_only) {
      prepared = Migrate(*database, options.last_step);
    }
    if (prepared.ok() && options.engine == Engine::kSqlite) {
      *database->session_ << "PRAGMA foreign_keys = ON";
    }
  } catch (const soci::soci_error&) {
    if (options.engine == Engine::kPostgres) {
      return absl::UnavailableError(
          "PostgreSQL does not let us connect: is it there, and do host, user and password match?");
    }
    prepared = database->Failed();
  }
  if (!prepared.ok()) return prepared;
  return database;
}

absl::Status Database::Lock(const std::string& path) {
  const std::string lock = base::StrCat(path, ".lock");
  lock_fd_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  // SQLite would make its file with the umask's mode.
  const int file = lock_fd_ < 0 ? -1 : open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return absl::FailedPreconditionError(
        base::StrCat("cannot write ", lock_fd_ < 0 ? lock : path, ": ", std::strerror(errno)));
  }
  close(file);
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      base::StrCat(path, " is in use by another process; replicas need PostgreSQL"));
}

absl::Status Database::PrepareSqlite(bool read_only) {
  if (read_only) {
    *session_ << "PRAGMA query_only = ON";
    return absl::OkStatus();
  }
  // The time of a commit is that of one fsync, which a batch shares.
  for (const char* pragma :
       {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = OFF",
        // Pages that change with every commit are copied into the file more seldom.
        "PRAGMA wal_autocheckpoint = 4000"}) {
    *session_ << pragma;
  }
  std::string found;
  *session_ << "PRAGMA quick_check(1)", soci::into(found);
  if (found == "ok") return absl::OkStatus();
  return absl::FailedPreconditionError(base::StrCat("it is damaged: ", found));
}

void Database::PreparePostgres(bool read_only) {
  // What libpq would write to standard error comes as an error, too.
  auto* backend = static_cast<soci::postgresql_session_backend*>(session_->get_backend());
  PQsetNoticeProcessor(backend->conn_, [](void*, const char*) {}, nullptr);
  *session_ << "SET client_min_messages = warning";
  // A replica that hangs in a transaction must not keep a tenant's account locked for ever.
  *session_ << "SET idle_in_transaction_session_timeout = '10s'";
  *session_ << "SET lock_timeout = '5s'";
  if (read_only) {
    *session_ << "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, "
                 "READ ONLY";
    // A report over all that there is may take a while; others wait for it.
    *session_ << "SET statement_timeout = '5min'";
  } else {
    *session_ << "SET statement_timeout = '10s'";
    // A statement sees what was committed before it, as the one behind a lock has to, whatever the
    // database's own default is.
    *session_ << "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";
  }
}

absl::Status Database::Transact(const std::function<void()>& work) {
  try {
    if (attachment_ != nullptr) attachment_->BeginTransaction();
    session_->begin();
    work();
    if (attachment_ != nullptr) attachment_->BeforeCommit();
    session_->commit();
    if (attachment_ != nullptr) attachment_->Committed();
    return absl::OkStatus();
  } catch (const soci::soci_error&) {
    absl::Status status = Failed();
    if (absl::IsUnavailable(status)) connected_ = false;
    try {
      session_->rollback();
    } catch (const soci::soci_error&) {
      // SQLite rolls back by itself at some errors; a lost connection has nothing to roll back.
      if (engine_ == Engine::kPostgres) connected_ = false;
    }
    return status;
  }
}

void Database::WriteProbe() {
  *session_ << "INSERT INTO facts (name, value) VALUES ('probe', '') "
               "ON CONFLICT (name) DO UPDATE SET value = ''";
}

absl::Status Database::Failed() {
  try {
    throw;
  } catch (const soci::sqlite3_soci_error& error) {
    return SqliteStatus(error.result(), error.what());
  } catch (const soci::postgresql_soci_error& error) {
    return PostgresStatus(error.sqlstate(), error.what());
  } catch (const soci::soci_error& error) {
    // SOCI's SQLite backend throws this plain one from a statement; the engine knows the code.
    if (engine_ == Engine::kSqlite && session_ != nullptr && session_->get_backend() != nullptr) {
      auto* backend = static_cast<soci::sqlite3_session_backend*>(session_->get_backend());
      return SqliteStatus(sqlite_api::sqlite3_errcode(backend->conn_), error.what());
    }
    if (engine_ == Engine::kPostgres) {
      connected_ = false;
      return absl::UnavailableError("the connection to PostgreSQL is lost");
    }
    return absl::InternalError(FirstLine(error.what()));
  }
}

}  // namespace pingti::storage
