#include "api/client/informer.h"

#include "api/client/informer_impl.h"
#include "api/config_map.h"
#include "api/endpoint_slice.h"
#include "api/node.h"
#include "api/pod.h"
#include "api/runtime_class.h"
#include "api/secret.h"
#include "api/service.h"

namespace keelson::api::client {

template class Informer<Pod>;
template class Informer<Node>;
template class Informer<Service>;
template class Informer<ConfigMap>;
template class Informer<Secret>;
template class Informer<RuntimeClass>;
template class Informer<EndpointSlice>;

}  // namespace keelson::api::client
