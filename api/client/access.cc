#include "api/client/access.h"

namespace keelson::api::client {

Result<std::unique_ptr<AccessSource>> AccessSource::make(const Connection& connection, const Environment& env,
                                                         const Clock& clock) {
  Access fixed;
  fixed.server = TRY(parseServerUrl(connection.server));
  fixed.insecure = connection.insecure_skip_tls_verify;
  fixed.url_host = fixed.server.host;
  const ServerUrl& server = fixed.server;
  if (!connection.tls_server_name.empty() && server.scheme == "https" &&
      connection.tls_server_name != server.host) {
    const auto named = parseServerUrl("https://" + bracketed(connection.tls_server_name));
    if (!named || !named->prefix.empty()) {
      return makeError(Code::kInvalidArgument, "tls-server-name: expected a host name");
    }
    fixed.url_host = named->host;
    fixed.host_header = server.port == 443 ? bracketed(server.host) : server.authority();
    fixed.connect_to = fmt::format("{}:{}:{}", bracketed(fixed.url_host), server.port, server.authority());
  }
  const Proxy proxy = TRY(proxyFor(server, connection.proxy_url, env));
  fixed.proxy = proxy.url;
  std::unique_ptr<AccessSource> source(new AccessSource(connection, std::move(fixed), clock));
  source->dial_host_ = proxy.url.empty() ? source->fixed_.server.host : proxy.host;
  source->dial_port_ = proxy.url.empty() ? source->fixed_.server.port : proxy.port;
  return source;
}

Result<std::shared_ptr<const Access>> AccessSource::read(CredentialSource::Why why, const Stop& stop) {
  auto access = std::make_shared<Access>(fixed_);
  access->credentials = TRY(credentials_.read(why, stop));
  if (!isLiteralAddress(dial_host_)) {
    const auto addresses = TRY(resolver_.resolve(dial_host_));
    access->resolve = renderResolve(dial_host_, dial_port_, addresses);
  }
  return std::shared_ptr<const Access>(std::move(access));
}

Result<void> AccessSource::check() {
  if (connection_.exec) {
    // The plugin may give the certificate; what the kubeconfig itself names is checked without it.
    Connection without = connection_;
    without.exec.reset();
    CredentialSource source(without, realClock());
    TRY(source.read(CredentialSource::Why::kRoutine, Stop(Duration{0})));
    return {};
  }
  const auto read = credentials_.read(CredentialSource::Why::kRoutine, Stop(Duration{0}));
  if (!read) return makeError(Code::kInvalidArgument, "{}", read.error().text);
  return {};
}

}  // namespace keelson::api::client
