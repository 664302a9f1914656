#include "api/client/exec_plugin.h"

#include "api/base64.h"
#include "base/json.h"

namespace keelson::api::client {
namespace {

Result<std::string> textOf(const json::object& object, const char* name) {
  const json::value* found = object.if_contains(name);
  if (found == nullptr || found->is_null()) return std::string();
  if (!found->is_string()) return makeError(Code::kInvalidArgument, "{}: expected a string", name);
  return std::string(found->get_string());
}

}  // namespace

Command buildExecCommand(const Connection& connection, const std::string& ca_data) {
  const ExecPlugin& plugin = *connection.exec;
  json::object spec{{"interactive", false}};
  if (plugin.provide_cluster_info) {
    json::object cluster{{"server", connection.server}};
    if (!connection.tls_server_name.empty()) cluster["tls-server-name"] = connection.tls_server_name;
    if (connection.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
    if (!ca_data.empty()) cluster["certificate-authority-data"] = encodeBase64(ca_data);
    if (!connection.proxy_url.empty()) cluster["proxy-url"] = connection.proxy_url;
    spec["cluster"] = std::move(cluster);
  }
  json::object info;
  info["apiVersion"] = plugin.api_version;
  info["kind"] = "ExecCredential";
  info["spec"] = std::move(spec);
  Command command{plugin.command, plugin.arguments, plugin.environment};
  command.environment.emplace_back("KUBERNETES_EXEC_INFO", json::serialize(info));
  return command;
}

Result<ExecCredential> parseExecCredential(std::string_view output, const std::string& api_version) {
  const json::value parsed = TRY(parseJson(output));
  const json::object* object = parsed.if_object();
  if (object == nullptr) return makeError(Code::kInvalidArgument, "expected an ExecCredential object");
  if (TRY(textOf(*object, "kind")) != "ExecCredential" || TRY(textOf(*object, "apiVersion")) != api_version) {
    return makeError(Code::kInvalidArgument, "expected an ExecCredential of {}", api_version);
  }
  const json::value* status = object->if_contains("status");
  if (status == nullptr || !status->is_object()) {
    return makeError(Code::kInvalidArgument, "an ExecCredential without status");
  }
  ExecCredential credential;
  credential.token = TRY(textOf(status->get_object(), "token"));
  credential.certificate = TRY(textOf(status->get_object(), "clientCertificateData"));
  credential.key = TRY(textOf(status->get_object(), "clientKeyData"));
  const std::string expires = TRY(textOf(status->get_object(), "expirationTimestamp"));
  if (!expires.empty()) credential.expires = TRY_CTX(parseTime(expires), "expirationTimestamp");
  if (credential.certificate.empty() != credential.key.empty()) {
    return makeError(Code::kInvalidArgument, "clientCertificateData and clientKeyData belong together");
  }
  if (credential.token.empty() && credential.certificate.empty()) {
    return makeError(Code::kInvalidArgument, "an ExecCredential with neither token nor certificate");
  }
  return credential;
}

}  // namespace keelson::api::client
