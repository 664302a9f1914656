#include "api/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "api/defaults.h"
#include "api/yaml.h"

namespace keelson::api {
namespace {

using testing::EndsWith;
using testing::StartsWith;

// The pod of these texts, defaulted, through validation; "" if it passes.
std::string check(std::string_view metadata, std::string_view spec) {
  const std::string text = fmt::format("{{metadata: {}, spec: {}}}", metadata, spec);
  const auto documents = parseYaml(text);
  EXPECT_TRUE(documents.ok()) << text << documents.error().text;
  auto pod = decode<Pod>(documents->at(0).value, UnknownFields::kRefuse);
  EXPECT_TRUE(pod.ok()) << text << pod.error().text;
  const auto result = validatePod(defaultPod(std::move(pod->value)));
  return result.ok() ? "" : result.error().text;
}

std::string checkSpec(std::string_view fields) {
  return check("{name: p}", fmt::format("{{containers: [{{name: a, image: b}}], {}}}", fields));
}

std::string checkContainer(std::string_view fields, std::string_view more = "") {
  return check("{name: p}", fmt::format("{{containers: [{{name: a, image: b, {}}}], {}}}", fields, more));
}

struct Case {
  std::string fields;
  std::string want;  // "" passes; a trailing "*" means the rest does not matter
};

void expectEach(const std::vector<Case>& cases, const std::function<std::string(const std::string&)>& run) {
  for (const auto& one : cases) {
    const std::string got = run(one.fields);
    if (one.want.ends_with('*')) {
      EXPECT_THAT(got, StartsWith(one.want.substr(0, one.want.size() - 1))) << one.fields;
    } else {
      EXPECT_EQ(got, one.want) << one.fields;
    }
  }
}

TEST(ValidateMeta, RefusesWrongNamesAndLabels) {
  const std::string long_value(64, 'x');
  expectEach(
      {
          {"{name: p}", ""},
          {"{name: p.q-1, namespace: ns, labels: {a/b: c, d: ''}, annotations: {A.b/C_d: '  any $ text'}}",
           ""},
          {"{}", "metadata.name: Required value: name or generateName is required"},
          {"{name: A_b}",
           "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of lower case "
           "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
           "'example.com', regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
          {"{name: p, namespace: a.b}",
           "metadata.namespace: Invalid value: \"a.b\": a lowercase RFC 1123 label*"},
          {"{name: p, labels: {'a b': c}}",
           "metadata.labels: Invalid value: \"a b\": name part must consist*"},
          {"{name: p, labels: {a: " + long_value + "}}",
           "metadata.labels[a]: Invalid value: \"" + long_value + "\": must be no more than 63 bytes"},
          {"{name: p, labels: {a: 'b c'}}",
           "metadata.labels[a]: Invalid value: \"b c\": a valid label must be*"},
          {"{name: p, annotations: {'/a': b}}",
           "metadata.annotations: Invalid value: \"/a\": prefix part must be non-empty"},
          {"{name: p, generateName: '-'}", "metadata.generateName: Invalid value: \"-\": *"},
      },
      [](const std::string& metadata) { return check(metadata, "{containers: [{name: a, image: b}]}"); });
}

TEST(ValidateMeta, AnnotationsTogetherHaveALimit) {
  Pod pod;
  pod.metadata.name = "p";
  pod.metadata.annotations["a"] = std::string(256 * 1024, 'x');
  pod.spec.containers.push_back({.name = "a", .image = "b"});
  EXPECT_EQ(validatePod(defaultPod(pod)).error().text,
            "metadata.annotations: Too long: may not be more than 262144 bytes");
}

TEST(ValidatePod, NeedsContainersWithUniqueNames) {
  expectEach(
      {
          {"{containers: []}", "spec.containers: Required value"},
          {"{containers: [{name: web, image: a}, {name: web, image: a}]}",
           "spec.containers[1].name: Duplicate value: \"web\""},
          {"{containers: [{name: web, image: a}], initContainers: [{name: web, image: a}]}",
           "spec.initContainers[0].name: Duplicate value: \"web\""},
          {"{containers: [{image: a}]}", "spec.containers[0].name: Required value"},
          {"{containers: [{name: a}]}", "spec.containers[0].image: Required value"},
          {"{containers: [{name: a, image: ' b'}]}",
           "spec.containers[0].image: Invalid value: \" b\": must not have leading or trailing whitespace"},
          {"{containers: [{name: A, image: a}]}",
           "spec.containers[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist*"},
      },
      [](const std::string& spec) { return check("{name: p}", spec); });
}

TEST(ValidatePod, ListsEveryFinding) {
  EXPECT_EQ(
      check("{}", "{containers: [], restartPolicy: Sometimes}"),
      "[metadata.name: Required value: name or generateName is required, spec.containers: Required value, "
      "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", "
      "\"Never\"]");
  std::string ports;
  for (int i = 0; i < 60; ++i) ports += "{containerPort: 0}, ";
  EXPECT_THAT(checkContainer("ports: [" + ports + "]"), EndsWith(", and 40 more]"));
}

TEST(ValidateContainer, Ports) {
  const std::string at = "spec.containers[0].ports[0]";
  expectEach(
      {
          {"ports: [{containerPort: 80, hostPort: 8080, name: http, hostIP: '::1'}]", ""},
          {"ports: [{}]", at + ".containerPort: Required value"},
          {"ports: [{containerPort: 65536}]",
           at + ".containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive"},
          {"ports: [{containerPort: 80, hostPort: -1}]",
           at + ".hostPort: Invalid value: -1: must be between 1 and 65535, inclusive"},
          {"ports: [{containerPort: 80, protocol: ICMP}]",
           at + ".protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""},
          {"ports: [{containerPort: 80, name: '80'}]",
           at + ".name: Invalid value: \"80\": must contain at least one letter (a-z)"},
          {"ports: [{containerPort: 80, name: averyverylongname}]",
           at + ".name: Invalid value: \"averyverylongname\": must be no more than 15 bytes"},
          {"ports: [{containerPort: 80, hostIP: localhost}]",
           at + ".hostIP: Invalid value: \"localhost\": must be a valid IP*"},
          {"ports: [{containerPort: 80, name: a}, {containerPort: 81, name: a}]",
           "spec.containers[0].ports[1].name: Duplicate value: \"a\""},
          {"ports: [{containerPort: 80, hostPort: 1}, {containerPort: 81, hostPort: 1}]",
           "spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//1\""},
          {"ports: [{containerPort: 80, hostPort: 1}, {containerPort: 81, hostPort: 1, protocol: UDP}]", ""},
      },
      [](const std::string& fields) { return checkContainer(fields); });
  EXPECT_EQ(
      check(
          "{name: p}",
          "{containers: [{name: a, image: b, ports: [{containerPort: 1, hostPort: 5}]}, {name: c, image: b, "
          "ports: [{containerPort: 2, hostPort: 5}]}], initContainers: [{name: d, image: b, ports: "
          "[{containerPort: 1, hostPort: 5}]}]}"),
      "spec.containers[1].ports[0].hostPort: Duplicate value: \"TCP//5\"");
  EXPECT_EQ(checkContainer("ports: [{containerPort: 80, hostPort: 81}]", "hostNetwork: true"),
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when "
            "`hostNetwork` is true");
}

TEST(ValidateContainer, Environment) {
  const std::string at = "spec.containers[0].env[0]";
  expectEach(
      {
          {"env: [{name: A}, {name: my.var-1, value: x}]", ""},
          {"env: [{value: a}]", at + ".name: Required value"},
          {"env: [{name: a=b}]", at + ".name: Invalid value: \"a=b\": a valid environment variable name*"},
          {"env: [{name: A, valueFrom: {}}]",
           at + ".valueFrom: Invalid value: \"\": must specify one of: `fieldRef`*"},
          {"env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
           at + ".valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"},
          {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: a, key: "
           "b}}}]",
           at + ".valueFrom: Invalid value: \"\": may not have more than one field specified at a time"},
          {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}]", ""},
          {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.annotations['a/b']\"}}}]", ""},
          {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.name['a']\"}}}]",
           at + ".valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.name['a']\": error converting "
                "fieldPath: "
                "field label does not support subscript"},
          {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.foo}}}]",
           at + ".valueFrom.fieldRef.fieldPath: Invalid value: \"spec.foo\": error converting fieldPath: "
                "field label "
                "not supported: spec.foo"},
          {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.phase}}}]",
           at + ".valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": supported values: "
                "\"metadata.name\", *"},
          {"env: [{name: A, valueFrom: {fieldRef: {}}}]",
           at + ".valueFrom.fieldRef.fieldPath: Required value"},
          {"env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}]", ""},
          {"env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}]", ""},
          {"env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.disk}}}]",
           at + ".valueFrom.resourceFieldRef.resource: Unsupported value: \"limits.disk\": *"},
          {"env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}]",
           at + ".valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values "
                "1m and 1 "
                "are supported with the cpu resource"},
          {"env: [{name: A, valueFrom: {configMapKeyRef: {name: c}}}]",
           at + ".valueFrom.configMapKeyRef.key: Required value"},
          {"env: [{name: A, valueFrom: {secretKeyRef: {name: c, key: ..}}}]",
           at + ".valueFrom.secretKeyRef.key: Invalid value: \"..\": must not be '..'"},
          {"envFrom: [{configMapRef: {name: a}}, {prefix: P_, secretRef: {name: b}}]", ""},
          {"envFrom: [{}]",
           "spec.containers[0].envFrom[0]: Invalid value: \"\": must specify one of: `configMapRef` or "
           "`secretRef`"},
          {"envFrom: [{secretRef: {}}]", "spec.containers[0].envFrom[0].secretRef.name: Required value"},
      },
      [](const std::string& fields) { return checkContainer(fields); });
}

TEST(ValidateContainer, VolumeMounts) {
  const std::string at = "spec.containers[0].volumeMounts[0]";
  expectEach(
      {
          {"volumeMounts: [{name: v, mountPath: /a, subPath: b/c}, {name: v, mountPath: /b, subPathExpr: "
           "$(X)}]",
           ""},
          {"volumeMounts: [{name: html, mountPath: /a}]", at + ".name: Not found: \"html\""},
          {"volumeMounts: [{mountPath: /a}]", at + ".name: Required value"},
          {"volumeMounts: [{name: v}]", at + ".mountPath: Required value"},
          {"volumeMounts: [{name: v, mountPath: /a}, {name: w, mountPath: /a}]",
           "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique"},
          {"volumeMounts: [{name: v, mountPath: /a, subPath: /b}]",
           at + ".subPath: Invalid value: \"/b\": must be a relative path"},
          {"volumeMounts: [{name: v, mountPath: /a, subPath: a/../b}]",
           at + ".subPath: Invalid value: \"a/../b\": must not contain '..'"},
          {"volumeMounts: [{name: v, mountPath: /a, subPath: a..b/...}]", ""},
          {"volumeMounts: [{name: v, mountPath: /a, subPath: b, subPathExpr: c}]",
           at + ".subPathExpr: Invalid value: \"c\": subPathExpr and subPath are mutually exclusive"},
          {"volumeMounts: [{name: v, mountPath: /a, mountPropagation: Both}]",
           at + ".mountPropagation: Unsupported value: \"Both\": supported values: \"Bidirectional\", "
                "\"HostToContainer\", \"None\""},
          {"volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]",
           at + ".mountPropagation: Forbidden: Bidirectional mount propagation is available only to "
                "privileged "
                "containers"},
          {"securityContext: {privileged: true}, volumeMounts: [{name: v, mountPath: /a, mountPropagation: "
           "Bidirectional}]",
           ""},
          {"volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: Enabled}]",
           at + ".recursiveReadOnly: Forbidden: may only be specified when readOnly is true"},
          {"volumeMounts: [{name: v, mountPath: /a, readOnly: true, recursiveReadOnly: Enabled}]", ""},
          {"volumeDevices: [{name: v, devicePath: /dev/a}]",
           "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source type "
           "of "
           "PersistentVolumeClaim or Ephemeral for block mode"},
          {"volumeDevices: [{name: x, devicePath: /dev/a}]",
           "spec.containers[0].volumeDevices[0].name: Not found: \"x\""},
      },
      [](const std::string& fields) { return checkContainer(fields, "volumes: [{name: v}, {name: w}]"); });
}

TEST(ValidateContainer, Resources) {
  const std::string at = "spec.containers[0].resources";
  expectEach(
      {
          {"resources: {limits: {cpu: 1, memory: 1Gi, example.com/gpu: 1}, requests: {cpu: 500m}}", ""},
          {"resources: {limits: {cpu: 1}, requests: {cpu: 2}}",
           at + ".requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"},
          {"resources: {requests: {memory: -1Gi}}",
           at + ".requests[memory]: Invalid value: \"-1Gi\": must be greater than or equal to 0"},
          {"resources: {requests: {disk: 1}}",
           at + ".requests[disk]: Invalid value: \"disk\": must be a standard resource for containers"},
          {"resources: {limits: {example.com/gpu: 500m}}",
           "[" + at + ".limits[example.com/gpu]: Invalid value: \"500m\": must be an integer, *"},
          {"resources: {requests: {example.com/gpu: 1}}",
           at + ".limits: Required value: Limit must be set for non overcommitable resources"},
          {"resources: {limits: {example.com/gpu: 2}, requests: {example.com/gpu: 1}}",
           at + ".requests: Invalid value: \"1\": must be equal to example.com/gpu limit of 2"},
          {"resources: {limits: {hugepages-2Mi: 2Mi}}", at + ": Forbidden: HugePages require cpu or memory"},
          {"resources: {limits: {hugepages-2Mi: 2Mi, cpu: 1}}", ""},
          {"resizePolicy: [{resourceName: disk, restartPolicy: NotRequired}]",
           "spec.containers[0].resizePolicy[0].resourceName: Unsupported value: \"disk\": *"},
      },
      [](const std::string& fields) { return checkContainer(fields); });
}

TEST(ValidateContainer, PodLevelResources) {
  expectEach(
      {
          {"resources: {limits: {cpu: 2}}", ""},
          {"resources: {requests: {cpu: 500m}}",
           "spec.resources.requests[cpu]: Invalid value: \"500m\": must be greater than or equal to "
           "aggregate "
           "container requests of 1"},
          {"resources: {limits: {cpu: 500m}, requests: {cpu: 1}}",
           "[spec.resources.requests: Invalid value: \"1\": must be less*"},
      },
      [](const std::string& more) { return checkContainer("resources: {limits: {cpu: 1}}", more); });
}

TEST(ValidateContainer, ProbesAndHooks) {
  const std::string at = "spec.containers[0].livenessProbe";
  expectEach(
      {
          {"livenessProbe: {exec: {command: [a]}}, readinessProbe: {tcpSocket: {port: http}, "
           "successThreshold: 3}, "
           "startupProbe: {grpc: {port: 1}}",
           ""},
          {"livenessProbe: {}", at + ": Required value: must specify a handler type"},
          {"livenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}",
           at + ".tcpSocket: Forbidden: may not specify more than 1 handler type"},
          {"livenessProbe: {exec: {}}", at + ".exec.command: Required value"},
          {"livenessProbe: {httpGet: {port: 0}}",
           at + ".httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive"},
          {"livenessProbe: {httpGet: {port: HTTP}}",
           "[" + at + ".httpGet.port: Invalid value: \"HTTP\": must contain only*"},
          {"livenessProbe: {httpGet: {port: 80, scheme: ftp}}",
           at + ".httpGet.scheme: Unsupported value: \"ftp\": supported values: \"HTTP\", \"HTTPS\""},
          {"livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: 'X Y', value: z}]}}",
           at + ".httpGet.httpHeaders: Invalid value: \"X Y\": a valid HTTP header must consist*"},
          {"livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}",
           at + ".successThreshold: Invalid value: 2: must be 1"},
          {"startupProbe: {tcpSocket: {port: 1}, successThreshold: 2}",
           "spec.containers[0].startupProbe.successThreshold: Invalid value: 2: must be 1"},
          {"livenessProbe: {tcpSocket: {port: 1}, periodSeconds: -1}",
           at + ".periodSeconds: Invalid value: -1: must be greater than or equal to 0"},
          {"livenessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0}",
           at + ".terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"},
          {"readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 1}",
           "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be "
           "set for "
           "readinessProbes"},
          {"lifecycle: {preStop: {sleep: {seconds: 5}}, postStart: {exec: {command: [a]}}}", ""},
          {"lifecycle: {preStop: {sleep: {seconds: 31}}}",
           "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less "
           "than "
           "terminationGracePeriodSeconds (30)"},
          {"lifecycle: {postStart: {}}",
           "spec.containers[0].lifecycle.postStart: Required value: must specify a handler type"},
          {"lifecycle: {stopSignal: SIGTERM}",
           "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty "
           "`spec.os.name`"},
      },
      [](const std::string& fields) { return checkContainer(fields); });
  EXPECT_EQ(checkContainer("lifecycle: {stopSignal: SIGRTMIN+15}", "os: {name: linux}"), "");
  EXPECT_THAT(checkContainer("lifecycle: {stopSignal: SIGRTMIN+16}", "os: {name: linux}"),
              StartsWith("spec.containers[0].lifecycle.stopSignal: Invalid value"));
}

TEST(ValidateContainer, Enumerations) {
  expectEach(
      {
          {"imagePullPolicy: Maybe",
           "spec.containers[0].imagePullPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", "
           "\"IfNotPresent\", \"Never\""},
          {"terminationMessagePolicy: None",
           "spec.containers[0].terminationMessagePolicy: Unsupported value: \"None\": supported values: "
           "\"File\", "
           "\"FallbackToLogsOnError\""},
          {"restartPolicy: OnFailure, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, "
           "values: [1]}}]",
           ""},
          {"restartPolicy: Perhaps", "spec.containers[0].restartPolicy: Unsupported value: \"Perhaps\": *"},
          {"restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
           "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules "
           "are used"},
      },
      [](const std::string& fields) { return checkContainer(fields); });
}

TEST(ValidateContainer, SecurityContext) {
  const std::string at = "spec.containers[0].securityContext";
  expectEach(
      {
          {"{runAsUser: 0, runAsGroup: 2147483647, capabilities: {add: [SYS_ADMIN], drop: [ALL]}, "
           "allowPrivilegeEscalation: false}",
           ""},
          {"{runAsUser: -1}",
           at + ".runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"},
          {"{privileged: true, allowPrivilegeEscalation: false}",
           at + ": Invalid value: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"},
          {"{capabilities: {add: [CAP_SYS_ADMIN]}, allowPrivilegeEscalation: false}",
           at + ": Invalid value: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                "CAP_SYS_ADMIN"},
          {"{procMount: Unmasked}",
           at + ".procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`"},
          {"{procMount: Half}", at + ".procMount: Unsupported value: \"Half\": *"},
          {"{seccompProfile: {type: Localhost}}", at + ".seccompProfile.localhostProfile: Required value: "
                                                       "must be set when seccomp type is Localhost"},
          {"{seccompProfile: {type: Localhost, localhostProfile: ../x}}",
           at + ".seccompProfile.localhostProfile: Invalid value: \"../x\": must not contain '..'"},
          {"{seccompProfile: {type: RuntimeDefault, localhostProfile: x}}",
           at +
               ".seccompProfile.localhostProfile: Invalid value: \"x\": can only be set when seccomp type is "
               "Localhost"},
          {"{seccompProfile: {}}",
           at + ".seccompProfile.type: Required value: type is required when seccompProfile is set"},
          {"{appArmorProfile: {type: Disabled}}",
           at + ".appArmorProfile.type: Unsupported value: \"Disabled\": *"},
      },
      [](const std::string& context) { return checkContainer("securityContext: " + context); });
}

TEST(ValidateContainer, InitAndEphemeralContainersMayHaveLess) {
  EXPECT_EQ(checkSpec("initContainers: [{name: i, image: b, livenessProbe: {tcpSocket: {port: 1}}}]"),
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always");
  EXPECT_EQ(checkSpec("initContainers: [{name: i, image: b, restartPolicy: Always, livenessProbe: "
                      "{tcpSocket: {port: 1}}}]"),
            "");
  EXPECT_EQ(checkSpec("ephemeralContainers: [{name: e, image: b}]"),
            "spec.ephemeralContainers: Forbidden: cannot be set on create");
  EXPECT_THAT(
      checkSpec(
          "ephemeralContainers: [{name: a, image: b, targetContainerName: x, ports: [{containerPort: 1}]}]"),
      StartsWith("[spec.ephemeralContainers[0].name: Duplicate value: \"a\", "
                 "spec.ephemeralContainers[0].targetContainerName: Not found: \"x\", "
                 "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container"));
}

TEST(ValidateVolume, NeedsOneKnownSource) {
  const std::string at = "spec.volumes[0]";
  expectEach(
      {
          {"[{name: a, emptyDir: {sizeLimit: 1Gi}}, {name: b, hostPath: {path: /x, type: File}}, {name: c, "
           "iscsi: {}}]",
           ""},
          {"[{emptyDir: {}}]", at + ".name: Required value"},
          {"[{name: A}]", at + ".name: Invalid value: \"A\": a lowercase RFC 1123 label*"},
          {"[{name: a}, {name: a}]", "spec.volumes[1].name: Duplicate value: \"a\""},
          {"[{name: a, emptyDir: {}, hostPath: {path: /x}}]",
           at + ".hostPath: Forbidden: may not specify more than 1 volume type"},
          {"[{name: a, emptyDir: {}, rbd: {}}]",
           at + ".rbd: Forbidden: may not specify more than 1 volume type"},
          {"[{name: a, emptyDir: {sizeLimit: -1}}]",
           at + ".emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"},
          {"[{name: a, hostPath: {}}]", at + ".hostPath.path: Required value"},
          {"[{name: a, hostPath: {path: /a/../b}}]",
           at + ".hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"},
          {"[{name: a, hostPath: {path: /a, type: Dir}}]",
           at + ".hostPath.type: Unsupported value: \"Dir\": supported values: \"\", \"BlockDevice\", "
                "\"CharDevice\", "
                "\"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\""},
          {"[{name: a, configMap: {}}]", at + ".configMap.name: Required value"},
          {"[{name: a, configMap: {name: c, defaultMode: 01000}}]",
           at + ".configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), "
                "both "
                "inclusive"},
          {"[{name: a, secret: {secretName: s, items: [{key: k, path: ../p}]}}]",
           at + ".secret.items[0].path: Invalid value: \"../p\": must not contain '..'"},
          {"[{name: a, secret: {secretName: s, items: [{key: k, path: ..p}]}}]",
           at + ".secret.items[0].path: Invalid value: \"..p\": must not start with '..'"},
          {"[{name: a, secret: {secretName: s, items: [{path: p}]}}]",
           at + ".secret.items[0].key: Required value"},
          {"[{name: a, downwardAPI: {items: [{path: p}]}}]",
           at + ".downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required"},
          {"[{name: a, downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.labels}}]}}]", ""},
          {"[{name: a, downwardAPI: {items: [{path: p, resourceFieldRef: {resource: limits.cpu}}]}}]",
           at + ".downwardAPI.items[0].resourceFieldRef.containerName: Required value"},
          {"[{name: a, projected: {sources: [{configMap: {name: c, items: [{key: k, path: p}]}}, {secret: "
           "{name: s, "
           "items: [{key: k, path: p}]}}]}}]",
           at + ".projected: Invalid value: \"p\": conflicting duplicate paths"},
          {"[{name: a, projected: {sources: [{configMap: {name: c}, secret: {name: s}}]}}]",
           at + ".projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"},
          {"[{name: a, projected: {sources: [{serviceAccountToken: {path: t}}]}}]",
           at + ".projected.sources[0].serviceAccountToken: Forbidden: must not be specified when "
                "serviceAccountName "
                "is not set"},
          {"[{name: a, nfs: {server: s, path: p}}]",
           at + ".nfs.path: Invalid value: \"p\": must be an absolute path"},
          {"[{name: a, persistentVolumeClaim: {}}]", at + ".persistentVolumeClaim.claimName: Required value"},
          {"[{name: a, image: {}}]", at + ".image.reference: Required value"},
      },
      [](const std::string& volumes) { return checkSpec("volumes: " + volumes); });
}

TEST(ValidatePod, SpecFields) {
  expectEach(
      {
          {"dnsPolicy: Best", "spec.dnsPolicy: Unsupported value: \"Best\": *"},
          {"dnsPolicy: None",
           "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
          {"dnsPolicy: None, dnsConfig: {searches: [a]}",
           "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when "
           "`dnsPolicy` is "
           "None"},
          {"dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}",
           "spec.dnsConfig.nameservers: Invalid value: \"1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4\": must not have "
           "more than 3 "
           "nameservers"},
          {"dnsConfig: {nameservers: [a]}",
           "spec.dnsConfig.nameservers[0]: Invalid value: \"a\": must be a valid IP*"},
          {"dnsConfig: {searches: [., a.b., _tcp.c], options: [{name: ndots, value: '2'}]}", ""},
          {"dnsConfig: {options: [{value: a}]}",
           "spec.dnsConfig.options[0]: Required value: must not be empty"},
          {"activeDeadlineSeconds: 0",
           "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"},
          {"terminationGracePeriodSeconds: -1",
           "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"},
          {"hostname: a.b", "spec.hostname: Invalid value: \"a.b\": a lowercase RFC 1123 label*"},
          {"subdomain: A", "spec.subdomain: Invalid value: \"A\": a lowercase RFC 1123 label*"},
          {"runtimeClassName: A",
           "spec.runtimeClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain*"},
          {"hostnameOverride: a.b", ""},
          {"hostnameOverride: a, hostNetwork: true",
           "spec.hostnameOverride: Forbidden: cannot be set when `hostNetwork` is true"},
          {"hostAliases: [{ip: a, hostnames: [A]}]",
           "[spec.hostAliases[0].ip: Invalid value: \"a\": must be*"},
          {"hostPID: true, shareProcessNamespace: true",
           "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both "
           "be enabled"},
          {"hostUsers: false, hostNetwork: true", "spec.hostNetwork: Forbidden: when `hostUsers` is false"},
          {"securityContext: {sysctls: [{name: net.ipv4.ip_forward, value: '1'}]}", ""},
          {"securityContext: {sysctls: [{name: 'a b', value: '1'}]}",
           "spec.securityContext.sysctls[0].name: Invalid value: \"a b\": must have at most 253 characters "
           "and match*"},
          {"securityContext: {sysctls: [{name: kernel.sem, value: '1'}, {name: kernel.sem, value: '1'}]}",
           "spec.securityContext.sysctls[1].name: Duplicate value: \"kernel.sem\""},
          {"hostNetwork: true, securityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}]}",
           "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be "
           "specified when "
           "'hostNetwork' is true"},
          {"securityContext: {fsGroupChangePolicy: Now}",
           "spec.securityContext.fsGroupChangePolicy: Unsupported value: \"Now\": supported values: "
           "\"Always\", "
           "\"OnRootMismatch\""},
          {"securityContext: {supplementalGroups: [1, -1]}",
           "spec.securityContext.supplementalGroups[1]: Invalid value: -1: must be between 0 and 2147483647, "
           "inclusive"},
          {"nodeSelector: {'a b': c}", "spec.nodeSelector: Invalid value: \"a b\": name part must consist*"},
          {"tolerations: [{operator: Exists}, {key: a, value: b, effect: NoExecute, tolerationSeconds: 5}]",
           ""},
          {"tolerations: [{key: a, operator: Exists, value: b}]",
           "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is "
           "'Exists'"},
          {"tolerations: [{key: a, tolerationSeconds: 5}]",
           "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when "
           "`tolerationSeconds` is "
           "set"},
          {"tolerations: [{}]",
           "spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists*"},
          {"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
           "[]}}}",
           "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
           "Required "
           "value: must have at least one node selector term"},
          {"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
           "[{matchExpressions: [{key: a, operator: In}], matchFields: [{key: metadata.name, operator: In, "
           "values: "
           "[node1]}]}]}}}",
           "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
           "matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
           "'NotIn'"},
          {"overhead: {disk: 1}", "spec.overhead.limits[disk]: Invalid value: *"},
          {"preemptionPolicy: Ask", "spec.preemptionPolicy: Unsupported value: \"Ask\": *"},
          {"os: {name: plan9}",
           "spec.os.name: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\""},
          {"readinessGates: [{conditionType: ''}]",
           "[spec.readinessGates[0].conditionType: Invalid value: \"\": *"},
      },
      [](const std::string& fields) { return checkSpec(fields); });
}

TEST(ValidateObject, OtherKinds) {
  const std::pair<const char*, const char*> cases[] = {
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: c}}", ""},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b/c: d}}",
       "data[b/c]: Invalid value: \"b/c\": a valid config key*"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: c}, binaryData: {b: Yw==}}",
       "data[b]: Invalid value: \"b\": duplicate of key present in binaryData"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: kubernetes.io/dockerconfigjson}",
       "data[.dockerconfigjson]: Required value"},
      {"{apiVersion: v1, kind: Secret, metadata: {}}",
       "metadata.name: Required value: name or generateName is required"},
      {"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}", ""},
      {"{apiVersion: v1, kind: Service, metadata: {name: 1a}, spec: {clusterIP: None}}",
       "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist*"},
      {"{apiVersion: v1, kind: Service, metadata: {name: a}}", "spec.ports: Required value"},
      {"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}, {port: 81, name: "
       "b}]}}",
       "spec.ports[0].name: Required value"},
      {"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80, nodePort: 30000}]}}",
       "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
      {"{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: a}, handler: A}",
       "handler: Invalid value: \"A\": a lowercase RFC 1123 label*"},
      {"{apiVersion: v1, kind: Node, metadata: {}}", ""},
      {"{apiVersion: x/v1, kind: Other}", ""},
  };
  for (const auto& [text, want] : cases) {
    const auto manifest = decodeManifest(text);
    ASSERT_TRUE(manifest.ok()) << text;
    const auto result = validateObject(defaultObject(manifest->objects.at(0)));
    const std::string got = result.ok() ? "" : result.error().text;
    const std::string_view expected(want);
    if (expected.ends_with('*')) {
      EXPECT_THAT(got, StartsWith(std::string(expected.substr(0, expected.size() - 1)))) << text;
    } else {
      EXPECT_EQ(got, expected) << text;
    }
  }
}

}  // namespace
}  // namespace keelson::api
