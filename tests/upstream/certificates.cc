#include "tests/upstream/certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <utility>

#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

constexpr long kDaySeconds = 24 * 60 * 60;

absl::Status Unavailable() { return absl::UnavailableError("OpenSSL makes no certificate"); }

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int agreed =
      SSL_select_next_proto(&chosen, out_size, kOurs, sizeof(kOurs) - 1, offered, offered_size);
  *out = chosen;
  return agreed == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

// From two days ago until yesterday or tomorrow.
Authority::Certificate Authority::Sign(const Statement& statement, EVP_PKEY* key, X509* issuer,
                                       EVP_PKEY* signer) {
  Certificate certificate(X509_new());
  X509* made = certificate.get();
  if (made == nullptr) return nullptr;
  static long serial = 0;
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(made), -2 * kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(made), statement.expired ? -kDaySeconds : kDaySeconds);
  X509_set_pubkey(made, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(statement.name), -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(issuer != nullptr ? issuer : made));
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, statement.extension, statement.value.c_str());
  const bool added = extension != nullptr && X509_add_ext(made, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  if (!added || X509_sign(made, signer, EVP_sha256()) == 0) return nullptr;
  return certificate;
}

absl::StatusOr<Authority> Authority::Make() {
  Authority authority;
  authority.key_.reset(EVP_EC_gen("P-256"));
  if (authority.key_ == nullptr) return Unavailable();
  EVP_PKEY* key = authority.key_.get();
  authority.certificate_ = Sign({"simulated authority", NID_basic_constraints, "critical,CA:TRUE",
                                 /*expired=*/false},
                                key, nullptr, key);
  if (authority.certificate_ == nullptr) return Unavailable();
  return authority;
}

std::string Authority::Pem() const {
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(memory, certificate_.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<size_t>(size));
  BIO_free(memory);
  return pem;
}

absl::StatusOr<SslContext> Authority::ContextFor(const std::string& host, bool expired) const {
  SslContext context(SSL_CTX_new(TLS_server_method()));
  const Key key(EVP_EC_gen("P-256"));
  if (context == nullptr || key == nullptr) return Unavailable();
  const Certificate certificate =
      Sign({"simulated provider", NID_subject_alt_name, base::StrCat("DNS:", host), expired},
           key.get(), certificate_.get(), key_.get());
  if (certificate == nullptr || SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    return Unavailable();
  }
  SSL_CTX_set_alpn_select_cb(context.get(), &ChooseProtocol, nullptr);
  return context;
}

}  // namespace pingti::upstream
