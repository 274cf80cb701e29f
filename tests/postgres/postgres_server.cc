#include "tests/postgres/postgres_server.h"

#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

namespace pingti::testing_postgres {
namespace {

using Arguments = std::vector<std::string>;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "PostgreSQL of the test: %s\n", why.c_str());
  std::abort();
}

// As a user whom PostgreSQL takes.
Arguments AsUser(Arguments command) {
  command.front() = std::string(PINGTI_POSTGRES_BIN) + "/" + command.front();
  if (geteuid() != 0) return command;
  Arguments all = {"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                   "--pdeathsig=SIGKILL"};
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

void Do(const Arguments& command) {
  integration::Process process(AsUser(command));
  if (process.Wait(integration::WaitMax()) != 0) {
    Die(command.front() + ": " + process.Output() + process.Errors());
  }
}

}  // namespace

PostgresServer::PostgresServer() {
  std::string folder = (std::filesystem::temp_directory_path() / "pingti-postgres-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) Die("no folder " + folder);
  folder_ = folder;
  if (geteuid() == 0) {
    const passwd* user = getpwnam("postgres");
    if (user == nullptr || chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) {
      Die("no user postgres; ./dev setup installs it");
    }
  }
  connection_ = "host=" + folder_ + " user=pingti dbname=postgres";
  Do({"initdb", "-D", folder_ + "/data", "-U", "pingti", "-A", "trust", "-E", "UTF8", "--no-sync"});
  Start();
}

PostgresServer::~PostgresServer() {
  Kill();
  std::filesystem::remove_all(folder_);
}

std::string PostgresServer::NewDatabase() {
  const std::string name = "test" + std::to_string(++databases_);
  Do({"createdb", "-h", folder_, "-U", "pingti", name});
  return "host=" + folder_ + " user=pingti dbname=" + name;
}

void PostgresServer::Kill() {
  if (process_ == nullptr) return;
  // At once, without a checkpoint; its children notice that it is gone.
  process_->Signal(SIGKILL);
  process_->Wait(integration::WaitMax());
  process_.reset();
}

void PostgresServer::Start() {
  process_ = std::make_unique<integration::Process>(
      AsUser({"postgres", "-D", folder_ + "/data", "-k", folder_, "-h", "", "-c",
              "max_connections=50", "-c", "shared_buffers=16MB"}));
  const bool there = integration::Eventually(
      [&] { return Answers() || process_->Wait(integration::Millis(0)).has_value(); });
  if (!there || process_->Wait(integration::Millis(0)).has_value()) {
    Die("does not start: " + process_->Output() + process_->Errors());
  }
}

bool PostgresServer::Answers() const {
  integration::Process ready(AsUser({"pg_isready", "-q", "-h", folder_, "-U", "pingti"}));
  return ready.Wait(integration::WaitMax()) == 0;
}

}  // namespace pingti::testing_postgres
