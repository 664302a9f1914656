#include "api/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> titles(std::string_view text) {
  const auto manifest = decodeManifest(text);
  if (!manifest) return {"error: " + manifest.error().text};
  std::vector<std::string> out;
  for (const Object& object : manifest->objects) out.push_back(objectTitle(object));
  return out;
}

TEST(Manifest, HoldsObjectsOfAnyKind) {
  EXPECT_THAT(titles("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ns}}\n---\n"
                     "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: r}}\n---\n"
                     "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}\n---\n"
                     "{apiVersion: v1, kind: Service, metadata: {name: s}}\n"),
              ElementsAre("Pod ns/a", "RuntimeClass r", "Deployment d", "Service s"));
  EXPECT_THAT(titles(""), IsEmpty());
  EXPECT_THAT(titles("---\n---\n"), IsEmpty());
}

TEST(Manifest, AKindOfAnotherGroupIsNotOurs) {
  const auto manifest =
      decodeManifest("{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: s}}");
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(std::get<UnknownObject>(manifest->objects.at(0)),
            (UnknownObject{"serving.knative.dev/v1", "Service", "", "s"}));
}

TEST(Manifest, ListsAreFlattened) {
  EXPECT_THAT(titles(R"({"apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
                {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "b"}}, {"metadata": {"name": "c"}}]},
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}]})"),
              ElementsAre("Pod a", "Pod b", "Pod c", "ConfigMap d"));
}

TEST(Manifest, ErrorsNameDocumentLineKindAndName) {
  EXPECT_THAT(
      titles("{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\napiVersion: v1\nkind: Pod\nmetadata: "
             "{name: web}\nspec: {containers: x}\n"),
      ElementsAre("error: document 2 (line 3, Pod \"web\"): spec.containers: expected a list, got a string"));
  EXPECT_THAT(titles("kind: Pod"),
              ElementsAre("error: document 1 (line 1, Pod): apiVersion: Required value"));
  EXPECT_THAT(titles("apiVersion: v1\nmetadata: {name: a}"),
              ElementsAre("error: document 1 (line 1, \"a\"): kind: Required value"));
  EXPECT_THAT(titles("just text"), ElementsAre("error: document 1 (line 1): expected an object"));
  EXPECT_THAT(titles("{apiVersion: v1, kind: PodList, items: [{spec: 1}]}"),
              ElementsAre("error: document 1 (line 1, item 0, Pod): spec: expected an object, got a number"));
  EXPECT_THAT(titles("{apiVersion: v1, kind: List, items: 3}"),
              ElementsAre("error: document 1 (line 1, List): items: expected a list"));
  EXPECT_THAT(titles("a: 1\na: 2\n"), ElementsAre("error: line 2: key \"a\" already stands at line 1"));
}

TEST(Manifest, AllBadDocumentsAreListed) {
  EXPECT_THAT(titles("kind: A\n---\nkind: B\n"),
              ElementsAre("error: [document 1 (line 1, A): apiVersion: Required value, "
                          "document 2 (line 3, B): apiVersion: Required value]"));
}

TEST(Manifest, UnknownFieldsAreWarningsWithTheirPlace) {
  const char* text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {contaners: []}\n";
  EXPECT_THAT(decodeManifest(text)->warnings,
              ElementsAre("document 1 (line 1, Pod \"a\"): spec.contaners: unknown field"));
  const auto strict = decodeManifest(text, UnknownFields::kRefuse);
  ASSERT_FALSE(strict.ok());
  EXPECT_EQ(strict.error().text, "document 1 (line 1, Pod \"a\"): spec.contaners: unknown field");
}

TEST(Manifest, HasLimits) {
  const auto large = decodeManifest(std::string(kMaxManifestBytes + 1, ' '));
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code, Code::kResourceExhausted);
  std::string many = "{\"kind\": \"ConfigMapList\", \"apiVersion\": \"v1\", \"items\": [{}";
  for (size_t i = 0; i < kMaxManifestObjects; ++i) many += ",{}";
  const auto result = decodeManifest(many + "]}");
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().text, testing::HasSubstr("more than 10000 objects"));
}

}  // namespace
}  // namespace keelson::api
