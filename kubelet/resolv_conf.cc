#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "kubelet/pod_files.h"

namespace keelson::kubelet {
namespace {

struct Dns {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
};

void addNew(std::vector<std::string>& list, const std::vector<std::string>& more) {
  for (const auto& one : more) {
    if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
  }
}

// The node's file as kubelet reads it: the last search and options lines win, trailing dots of searches go.
Dns parse(const std::string& text) {
  Dns dns;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    std::vector<std::string> values;
    for (std::string value; words >> value;) values.push_back(value);
    if (key == "nameserver" && !values.empty()) {
      dns.servers.push_back(values.front());
    } else if (key == "search") {
      dns.searches.clear();
      for (auto& value : values) {
        if (value != "." && value.back() == '.') value.pop_back();
        dns.searches.push_back(value);
      }
    } else if (key == "options") {
      dns.options = values;
    }
  }
  return dns;
}

Dns nodeDns(const DnsFacts& facts) {
  if (!facts.node_file_unset) return parse(facts.node_file);
  // resolvConf "": a container would inherit the image's own file; local resolvers stand in, as in
  // Kubernetes.
  return {{"127.0.0.1", "::1"}, {"."}, {}};
}

Dns clusterDns(const api::Pod& pod, const DnsFacts& facts) {
  Dns dns;
  dns.servers = facts.cluster_dns;
  dns.options = {"ndots:5"};
  if (!facts.cluster_domain.empty()) {
    dns.searches = {fmt::format("{}.svc.{}", pod.metadata.namespace_, facts.cluster_domain),
                    "svc." + facts.cluster_domain, facts.cluster_domain};
  }
  addNew(dns.searches, nodeDns(facts).searches);
  return dns;
}

void merge(Dns& dns, const api::PodDnsConfig& config) {
  addNew(dns.servers, config.nameservers);
  addNew(dns.searches, config.searches);
  for (const auto& option : config.options) {
    const std::string text = option.value ? option.name + ":" + *option.value : option.name;
    const auto same = std::find_if(dns.options.begin(), dns.options.end(), [&](const std::string& known) {
      return known.substr(0, known.find(':')) == option.name;
    });
    if (same == dns.options.end()) {
      dns.options.push_back(text);
    } else {
      *same = text;
    }
  }
}

void fit(Dns& dns, std::vector<ResolvConf::Note>& notes) {
  if (dns.servers.size() > kMaxNameservers) {
    dns.servers.resize(kMaxNameservers);
    notes.push_back(
        {"DNSConfigForming",
         fmt::format("Nameserver limits were exceeded, some nameservers have been omitted, the applied "
                     "nameserver line is: {}",
                     fmt::join(dns.servers, " "))});
  }
  std::vector<std::string> kept;
  size_t length = 0;
  for (const auto& search : dns.searches) {
    const size_t more = search.size() + (kept.empty() ? 0 : 1);
    if (search.size() > kMaxSearch || kept.size() == kMaxSearches || length + more > kMaxSearchLine) continue;
    length += more;
    kept.push_back(search);
  }
  if (kept.size() == dns.searches.size()) return;
  dns.searches = std::move(kept);
  notes.push_back(
      {"DNSConfigForming",
       fmt::format("Search Line limits were exceeded, some search paths have been omitted, the applied "
                   "search line is: {}",
                   fmt::join(dns.searches, " "))});
}

}  // namespace

ResolvConf renderResolvConf(const api::Pod& pod, const DnsFacts& facts) {
  ResolvConf out;
  const std::string& policy = pod.spec.dns_policy;
  const bool wants_cluster =
      policy == "ClusterFirstWithHostNet" || (policy == "ClusterFirst" && !pod.spec.host_network);
  Dns dns;
  if (policy == "None") {
    // only dnsConfig below
  } else if (wants_cluster && !facts.cluster_dns.empty()) {
    dns = clusterDns(pod, facts);
  } else {
    dns = nodeDns(facts);
    if (wants_cluster) {
      out.notes.push_back(
          {"MissingClusterDNS",
           fmt::format("pod: \"{}_{}({})\". kubelet does not have ClusterDNS IP configured and cannot create "
                       "Pod using "
                       "\"{}\" policy. Falling back to \"Default\" policy.",
                       pod.metadata.name, pod.metadata.namespace_, pod.metadata.uid, policy)});
    }
  }
  if (pod.spec.dns_config) merge(dns, *pod.spec.dns_config);
  fit(dns, out.notes);
  if (!dns.searches.empty()) out.text += fmt::format("search {}\n", fmt::join(dns.searches, " "));
  for (const auto& server : dns.servers) out.text += fmt::format("nameserver {}\n", server);
  if (!dns.options.empty()) out.text += fmt::format("options {}\n", fmt::join(dns.options, " "));
  return out;
}

}  // namespace keelson::kubelet
