// Certificates for the TLS of the simulated provider, made anew by each process: an authority, and
// what it says of a host.
//
// Pure functions and values. UNAVAILABLE: OpenSSL cannot.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace pingti::upstream {

struct FreeSslContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, FreeSslContext>;

class Authority {
 public:
  static absl::StatusOr<Authority> Make();

  // Its own certificate.
  std::string Pem() const;

  // For servers that are `host`. `expired`: its certificate was good until yesterday. Agrees by
  // ALPN on HTTP/2 where the client offers it, else on HTTP/1.1.
  absl::StatusOr<SslContext> ContextFor(const std::string& host, bool expired) const;

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  struct FreeCertificate {
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
  using Certificate = std::unique_ptr<X509, FreeCertificate>;

  // What a certificate says of its key.
  struct Statement {
    const char* name;
    int extension;  // NID
    std::string value;
    bool expired;
  };
  // `issuer` null: by itself.
  static Certificate Sign(const Statement& statement, EVP_PKEY* key, X509* issuer,
                          EVP_PKEY* signer);

  Key key_;
  Certificate certificate_;
};

}  // namespace pingti::upstream
