// Any text as a kubeconfig: what is accepted has a server, and is the same when rendered and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/client/kubeconfig.h"
#include "api/client/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson::api::client;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto connection = parseKubeconfig(text, "/etc/kubernetes/kubelet.conf");
  if (!connection) return 0;
  if (!parseServerUrl(connection->server)) std::abort();
  const std::string rendered = renderKubeconfig(*connection);
  const auto again = parseKubeconfig(rendered, "/etc/kubernetes/kubelet.conf");
  if (!again || renderKubeconfig(*again) != rendered) std::abort();
  return 0;
}
