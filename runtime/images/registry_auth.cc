#include "runtime/images/registry_auth.h"

#include <openssl/evp.h>

#include <algorithm>

#include "runtime/images/json_field.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kMaxTokenAnswer = 1 << 20;
constexpr size_t kMaxChallenges = 16;
constexpr size_t kShownBytes = 200;
constexpr std::string_view kClientId = "keelson";
// Docker's name for the registry is not its address.
constexpr std::string_view kDockerHub = "docker.io";
constexpr std::string_view kDockerHubAddress = "registry-1.docker.io";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// token68 and token characters of RFC 9110 are a part of these.
bool isVisible(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Reads a header from left to right.
class HeaderCursor {
 public:
  explicit HeaderCursor(std::string_view text) : rest_(text) {}
  bool atEnd() const { return rest_.empty(); }
  void skip(std::string_view characters) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string word() {
    const size_t end = std::min(rest_.find_first_of(" \t,=\""), rest_.size());
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return text;
  }
  // True when "name =" comes next: a parameter, not a new challenge.
  bool parameterNext() const {
    const size_t end = rest_.find_first_of(" \t,=\"");
    if (end == 0 || end == std::string_view::npos) return false;
    const size_t after = rest_.find_first_not_of(" \t", end);
    return after != std::string_view::npos && rest_[after] == '=';
  }
  std::string quoted() {  // after the opening quote
    std::string text;
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    take('"');
    return text;
  }

 private:
  std::string_view rest_;
};

const Challenge* findScheme(const std::vector<Challenge>& challenges, std::string_view scheme) {
  for (const auto& challenge : challenges)
    if (challenge.scheme == scheme) return &challenge;
  return nullptr;
}

std::string parameter(const Challenge& challenge, const std::string& name) {
  const auto found = challenge.parameters.find(name);
  return found == challenge.parameters.end() ? std::string() : found->second;
}

Result<std::string> readToken(const HttpResponse& response, const Url& realm) {
  if (response.status == 401 || response.status == 403)
    return makeError(Code::kPermissionDenied, "token server {} refuses the credentials ({})", realm.host,
                     response.status);
  if (response.status == 429 || response.status >= 500)
    return makeError(Code::kUnavailable, "token server {} answers {}", realm.host, response.status);
  if (response.status != 200)
    return makeError(Code::kPermissionDenied, "token server {} answers {}", realm.host, response.status);
  const auto value =
      TRY_CTX(parseJson(response.body, kMaxTokenAnswer), "answer of token server {}", realm.host);
  const auto& object = *TRY(asObject(value, "token answer"));
  std::string token = TRY(stringField(object, "token"));
  if (token.empty()) token = TRY(stringField(object, "access_token"));
  // It goes into a header: a line break in it would be a header of the server's choice.
  if (!isVisible(token))
    return makeError(Code::kDataLoss, "token server {} sent no proper token", realm.host);
  return token;
}

Result<std::string> fetchToken(const Challenge& challenge, const Endpoint& endpoint,
                               const std::string& fallback_scope,
                               const std::optional<RegistryCredentials>& credentials, HttpClient& http,
                               Stop& stop) {
  const Url realm = TRY_CTX(Url::parse(parameter(challenge, "realm")), "token server");
  if (realm.scheme == "http" && !endpoint.allowsPlainHttp(realm))
    return makeError(Code::kPermissionDenied,
                     "registry {} names a token server without TLS ({}): nothing is sent there",
                     endpoint.base.host, realm.host.substr(0, kShownBytes));
  const std::string service = parameter(challenge, "service");
  std::string scope = parameter(challenge, "scope");
  if (scope.empty()) scope = fallback_scope;

  if (credentials && !credentials->identity_token.empty()) {
    HttpRequest request = makeRequest(endpoint, realm, "POST");
    request.body_limit = kMaxTokenAnswer;
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.body = fmt::format("grant_type=refresh_token&service={}&client_id={}&scope={}&refresh_token={}",
                               encodeQuery(service), kClientId, encodeQuery(scope),
                               encodeQuery(credentials->identity_token));
    return readToken(TRY_CTX(http.send(request, stop), "token server {}", realm.host), realm);
  }
  Url url = realm;
  url.target += url.target.find('?') == std::string::npos ? "?" : "&";
  if (!service.empty()) url.target += "service=" + encodeQuery(service) + "&";
  url.target += "scope=" + encodeQuery(scope);
  if (credentials && !credentials->username.empty())
    url.target += "&account=" + encodeQuery(credentials->username);
  HttpRequest request = makeRequest(endpoint, url, "GET");
  request.body_limit = kMaxTokenAnswer;
  if (credentials) request.headers.emplace_back("Authorization", basicAuthorization(*credentials));
  return readToken(TRY_CTX(http.send(request, stop), "token server {}", realm.host), realm);
}

}  // namespace

std::vector<Challenge> parseChallenges(std::string_view header) {
  std::vector<Challenge> challenges;
  HeaderCursor cursor(header);
  while (!cursor.atEnd() && challenges.size() < kMaxChallenges) {
    cursor.skip(" \t,");
    Challenge challenge;
    challenge.scheme = lower(cursor.word());
    if (challenge.scheme.empty()) break;
    cursor.skip(" \t");
    while (cursor.parameterNext()) {
      const std::string name = lower(cursor.word());
      cursor.skip(" \t");
      cursor.take('=');
      cursor.skip(" \t");
      challenge.parameters.emplace(name, cursor.take('"') ? cursor.quoted() : cursor.word());
      cursor.skip(" \t,");
    }
    challenges.push_back(std::move(challenge));
  }
  return challenges;
}

bool Endpoint::allowsPlainHttp(const Url& url) const {
  if (url.isLoopback() || (base.scheme == "http" && url.host == base.host)) return true;
  const auto found = all->hosts.find(url.host);
  return found != all->hosts.end() && found->second.plain_http;
}

Result<Endpoint> endpointFor(const std::string& written, const RegistryOptions& options) {
  Endpoint endpoint;
  endpoint.all = &options;
  const bool has_scheme = written.find("://") != std::string::npos;
  std::string host = written;
  if (has_scheme) {
    endpoint.base = TRY_CTX(Url::parse(written), "registry");
    host = endpoint.base.host;
    if (endpoint.base.target != "/")
      return makeError(Code::kInvalidArgument, "registry \"{}\": give a host without a path", written);
  }
  if (const auto found = options.hosts.find(host); found != options.hosts.end())
    endpoint.options = found->second;
  if (has_scheme) return endpoint;
  const bool plain =
      endpoint.options.plain_http || (isLoopbackHost(host) && endpoint.options.ca_file.empty());
  const std::string address = host == kDockerHub ? std::string(kDockerHubAddress) : host;
  endpoint.base = TRY_CTX(Url::parse((plain ? "http://" : "https://") + address), "registry");
  return endpoint;
}

HttpRequest makeRequest(const Endpoint& endpoint, const Url& url, std::string method) {
  HttpRequest request;
  request.method = std::move(method);
  request.url = url.str();
  // A token server or a blob storage elsewhere has its own entry in the configuration, or the system's
  // certificates hold for it.
  const auto other = endpoint.all->hosts.find(url.host);
  const RegistryHost none;
  const RegistryHost& host = url.host == endpoint.base.host       ? endpoint.options
                             : other != endpoint.all->hosts.end() ? other->second
                                                                  : none;
  request.ca_file = host.ca_file;
  request.verify_tls = !host.skip_verify;
  return request;
}

std::string basicAuthorization(const RegistryCredentials& credentials) {
  const std::string plain = credentials.username + ":" + credentials.password;
  std::string encoded(4 * ((plain.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                      reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
  encoded.resize(static_cast<size_t>(size));
  return "Basic " + encoded;
}

Result<std::string> answerChallenge(const std::string& header, const Endpoint& endpoint,
                                    const std::string& scope,
                                    const std::optional<RegistryCredentials>& credentials, HttpClient& http,
                                    Stop& stop) {
  const auto challenges = parseChallenges(header);
  if (const auto* bearer = findScheme(challenges, "bearer"))
    return "Bearer " + TRY(fetchToken(*bearer, endpoint, scope, credentials, http, stop));
  if (findScheme(challenges, "basic") != nullptr) {
    if (!credentials || credentials->username.empty())
      return makeError(Code::kPermissionDenied, "registry {} wants a user name and a password",
                       endpoint.base.host);
    return basicAuthorization(*credentials);
  }
  return makeError(Code::kPermissionDenied,
                   "registry {} refuses access and names no way to authenticate (\"{}\")", endpoint.base.host,
                   header.substr(0, kShownBytes));
}

}  // namespace keelson::runtime::images
