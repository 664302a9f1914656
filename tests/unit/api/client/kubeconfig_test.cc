#include "api/client/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/base64.h"

namespace keelson::api::client {
namespace {

using ::testing::HasSubstr;

constexpr char kHead[] = R"(apiVersion: v1
kind: Config
current-context: main
contexts:
- name: other
  context: {cluster: none, user: none}
- name: main
  context: {cluster: c, user: u, namespace: shop}
)";

std::string config(const std::string& cluster, const std::string& user) {
  return std::string(kHead) + "clusters:\n- name: c\n  cluster: {" + cluster +
         "}\nusers:\n- name: u\n  user: {" + user + "}\n";
}

Result<Connection> parse(const std::string& cluster, const std::string& user) {
  return parseKubeconfig(config(cluster, user), "/etc/kubernetes/kubelet.conf");
}

TEST(ParseKubeconfig, ReadsTheCurrentContext) {
  const auto got = parse(
      "server: 'https://10.0.0.1:6443', certificate-authority: pki/ca.crt, tls-server-name: kube, "
      "proxy-url: 'http://p:3128'",
      "client-certificate: /var/lib/c.pem, client-key: ../c.key, tokenFile: token");
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(got->server, "https://10.0.0.1:6443");
  EXPECT_EQ(got->ca_file, "/etc/kubernetes/pki/ca.crt");
  EXPECT_EQ(got->tls_server_name, "kube");
  EXPECT_EQ(got->proxy_url, "http://p:3128");
  EXPECT_EQ(got->certificate_file, "/var/lib/c.pem");
  EXPECT_EQ(got->key_file, "/etc/kubernetes/../c.key");
  EXPECT_EQ(got->token_file, "/etc/kubernetes/token");
  EXPECT_EQ(got->name_space, "shop");
  EXPECT_FALSE(got->insecure_skip_tls_verify);
}

TEST(ParseKubeconfig, PrefersInlineDataToFiles) {
  const auto got = parse(
      "server: 'https://a', certificate-authority: f, certificate-authority-data: " + encodeBase64("CA"),
      "client-certificate: f, client-key: f, client-certificate-data: " + encodeBase64("CERT") +
          ", client-key-data: " + encodeBase64("KEY"));
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(got->ca_data, "CA");
  EXPECT_EQ(got->ca_file, "");
  EXPECT_EQ(got->certificate_data, "CERT");
  EXPECT_EQ(got->certificate_file, "");
  EXPECT_EQ(got->key_data, "KEY");
  EXPECT_EQ(got->key_file, "");
}

TEST(ParseKubeconfig, ReadsExecPlugins) {
  const auto got = parse("server: 'https://a'",
                         "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./get, args: [a, b], "
                         "env: [{name: X, value: word}], interactiveMode: Never, provideClusterInfo: true}");
  ASSERT_TRUE(got.ok()) << got.error().text;
  ASSERT_TRUE(got->exec);
  EXPECT_EQ(got->exec->command, "/etc/kubernetes/./get");
  EXPECT_EQ(got->exec->arguments, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(got->exec->environment.at(0).second, "word");
  EXPECT_TRUE(got->exec->provide_cluster_info);
}

TEST(ParseKubeconfig, ReadsPasswordsTokensAndInsecureClusters) {
  const auto got =
      parse("server: 'http://a', insecure-skip-tls-verify: true", "username: me, password: secret");
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_TRUE(got->insecure_skip_tls_verify);
  EXPECT_EQ(got->username, "me");
  EXPECT_EQ(got->password, "secret");
  EXPECT_EQ(parse("server: 'http://a'", "token: abc.def")->token, "abc.def");
}

TEST(ParseKubeconfig, NamesFileFieldAndWhatWasExpected) {
  const struct {
    std::string text;
    const char* want;
  } cases[] = {
      {"", "expected one document"},
      {"[", "kubeconfig /f: line"},
      {"kind: Pod", "kind: expected Config"},
      {"apiVersion: v2", "apiVersion: expected v1"},
      {"kind: Config", "current-context: must name a context"},
      {"current-context: x", "contexts: has no entry named \"x\""},
      {"current-context: x\ncontexts: 7", "contexts: expected a list"},
      {config("server: 7", ""), "clusters[\"c\"].cluster.server: expected a string"},
      {config("server: 'kube:6443'", ""), "clusters[\"c\"].cluster: server \"kube:6443\""},
      {config("server: 'https://a', certificate-authority-data: '!'", ""),
       "certificate-authority-data: expected base64"},
      {config("server: 'https://a', insecure-skip-tls-verify: maybe", ""), "expected true or false"},
      {config("server: 'https://a', insecure-skip-tls-verify: true, certificate-authority: x", ""),
       "cannot be combined"},
      {config("server: 'https://a'", "client-certificate: x"),
       "users[\"u\"].user: client-certificate and client-key"},
      {config("server: 'https://a'", "token: \"a\\nb\""), "users[\"u\"].user.token: has characters"},
      {config("server: 'https://a'", "token: a, username: b"), "both a token and a username"},
      {config("server: 'https://a'", "auth-provider: {name: gcp}"), "auth-provider: is not supported"},
      {config("server: 'https://a'", "exec: {apiVersion: x, command: get}"),
       "user.exec.apiVersion: expected"},
      {config("server: 'https://a'",
              "exec: {apiVersion: client.authentication.k8s.io/v1, command: get, interactiveMode: Always}"),
       "a node has no terminal"},
  };
  for (const auto& c : cases) {
    const auto got = parseKubeconfig(c.text, "/f");
    ASSERT_FALSE(got.ok()) << c.want;
    EXPECT_EQ(got.error().code, Code::kInvalidArgument);
    EXPECT_THAT(got.error().text, HasSubstr(c.want));
    EXPECT_THAT(got.error().text, ::testing::StartsWith("kubeconfig /f: "));
  }
}

TEST(RenderKubeconfig, IsReadBackAsItWas) {
  Connection connection;
  connection.server = "https://[fd00::1]:6443";
  connection.tls_server_name = "kube";
  connection.proxy_url = "http://p:1";
  connection.ca_data = "CA\n";
  connection.certificate_file = "/var/lib/kubelet/pki/kubelet-client-current.pem";
  connection.key_file = "/var/lib/kubelet/pki/kubelet-client-current.pem";
  connection.name_space = "n";
  connection.exec = ExecPlugin{"/bin/get", "client.authentication.k8s.io/v1", {"a: b"}, {{"X", "y"}}, true};
  const auto again = parseKubeconfig(renderKubeconfig(connection), "/f");
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_EQ(renderKubeconfig(*again), renderKubeconfig(connection));
  EXPECT_EQ(again->ca_data, "CA\n");
  EXPECT_EQ(again->key_file, connection.key_file);
  ASSERT_TRUE(again->exec);
  EXPECT_EQ(again->exec->environment, connection.exec->environment);
}

TEST(ReadKubeconfig, SaysThatAFileIsAbsent) {
  const auto got = readKubeconfig("/nonexistent/kubeconfig");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::kNotFound);
}

}  // namespace
}  // namespace keelson::api::client
