// What this node says it runs.
#pragma once

namespace keelson::kubelet::node {

// The kubelet of which this one speaks the language; the control plane compares it (version skew policy).
inline constexpr char kKubeletVersion[] = "v1.36.0";
inline constexpr char kRuntimeVersion[] = "keelson://" KEELSON_VERSION;

}  // namespace keelson::kubelet::node
