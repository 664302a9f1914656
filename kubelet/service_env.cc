#include "kubelet/service_env.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace keelson::kubelet {
namespace {

char upper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }
char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

std::string variableName(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c == '-' ? '_' : upper(c); });
  return text;
}

std::string mapped(std::string text, char (*change)(char)) {
  std::transform(text.begin(), text.end(), text.begin(), change);
  return text;
}

void addService(const api::Service& service, std::map<std::string, std::string>& env) {
  const std::string& address = service.spec.cluster_ips.front();
  const std::string host = address.find(':') == std::string::npos ? address : "[" + address + "]";
  const std::string name = variableName(service.metadata.name);
  env[name + "_SERVICE_HOST"] = address;
  bool first = true;
  for (const auto& port : service.spec.ports) {
    const std::string number = std::to_string(port.port);
    const std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
    const std::string url = fmt::format("{}://{}:{}", mapped(protocol, lower), host, number);
    if (first) {
      env[name + "_SERVICE_PORT"] = number;
      env[name + "_PORT"] = url;
    }
    first = false;
    if (!port.name.empty()) env[name + "_SERVICE_PORT_" + variableName(port.name)] = number;
    const std::string link = fmt::format("{}_PORT_{}_{}", name, number, mapped(protocol, upper));
    env[link] = url;
    env[link + "_PROTO"] = mapped(protocol, lower);
    env[link + "_PORT"] = number;
    env[link + "_ADDR"] = address;
  }
}

}  // namespace

bool hasClusterIp(const api::Service& service) {
  if (service.spec.cluster_ips.empty() || service.spec.ports.empty()) return false;
  const std::string& address = service.spec.cluster_ips.front();
  return !address.empty() && address != "None";
}

std::map<std::string, std::string> serviceEnv(
    const std::vector<std::shared_ptr<const api::Service>>& services) {
  std::map<std::string, std::string> env;
  for (const auto& service : services) {
    if (hasClusterIp(*service)) addService(*service, env);
  }
  return env;
}

}  // namespace keelson::kubelet
