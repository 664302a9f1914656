// Whom to trust and who we are, as of now: read from files, plugins and the kubeconfig.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/client/exec_plugin.h"
#include "api/client/kubeconfig.h"
#include "base/clock.h"
#include "base/executor.h"

namespace keelson::api::client {

// PEM texts of a TLS connection. Immutable, any thread.
struct TlsMaterial {
  std::string ca, certificate, key;
  bool operator==(const TlsMaterial&) const = default;
};

// What a request needs to be let in. Immutable, any thread.
struct Credentials {
  std::shared_ptr<const TlsMaterial> tls;  // the same pointer as long as nothing changed
  std::string authorization;               // "Bearer ...", "Basic ...", or ""
  std::optional<WallTime> expires;         // of a plugin's answer
};

// Reads credentials. Files are read again when their identity (inode, time, size) changed; a plugin runs when
// its last answer expired or is refused. Home: one strand (it blocks), the first read() before it too.
class CredentialSource {
 public:
  CredentialSource(Connection connection, const Clock& clock);

  enum class Why { kRoutine, kRefused };  // kRefused: the server answered 401
  // The first call fails if something cannot be read; later ones keep what they had and tell the error only
  // if there is nothing to keep. An unreadable token file is no error while there is a former token.
  Result<Credentials> read(Why why, const Stop& stop);

  // False if nothing can ever change: neither files nor a plugin.
  bool canChange() const;
  // A CA that holds no certificate or a key that does not match is found here, before anything is sent.
  static Result<void> check(const TlsMaterial& material);

 private:
  struct File {
    std::string identity, content;
  };
  Result<std::string> fileContent(const std::string& path);
  Result<std::string> bearer();
  Result<void> runPlugin(Why why, const Stop& stop);
  Result<TlsMaterial> material();

  const Connection connection_;
  const Clock& clock_;
  std::map<std::string, File> files_;
  std::optional<ExecCredential> plugin_;
  std::shared_ptr<const TlsMaterial> tls_;
};

}  // namespace keelson::api::client
