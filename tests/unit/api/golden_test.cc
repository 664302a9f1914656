// What examples become: decoded, defaulted, validated and encoded again, compared with files of
// tests/golden/api. KEELSON_GOLDEN_REWRITE=1 writes them anew; the difference is then to be reviewed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "api/defaults.h"
#include "api/object.h"
#include "api/validate.h"
#include "api/yaml.h"
#include "tests/paths.h"

namespace keelson::api {
namespace {

const std::filesystem::path kSource = test::sourcePath("");
const std::filesystem::path kGolden = kSource / "tests/golden/api";

std::string readText(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

json::value encodeObject(const Object& object) {
  return std::visit(
      [](const auto& it) -> json::value {
        if constexpr (std::is_same_v<std::decay_t<decltype(it)>, UnknownObject>) {
          return {{"apiVersion", it.api_version}, {"kind", it.kind}};
        } else {
          return encode(it);
        }
      },
      object);
}

void compareWithGolden(const std::string& name, const std::string& text) {
  const auto path = kGolden / name;
  if (std::getenv("KEELSON_GOLDEN_REWRITE") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(readText(path), text) << path;
}

std::vector<std::filesystem::path> examples() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "tests/e2e/examples")) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(Golden, EveryExampleDecodesValidatesAndEncodes) {
  ASSERT_GE(examples().size(), 13U);
  for (const auto& path : examples()) {
    const auto manifest = decodeManifest(readText(path), UnknownFields::kRefuse);
    ASSERT_TRUE(manifest.ok()) << path << ": " << manifest.error().text;
    EXPECT_FALSE(manifest->objects.empty()) << path;
    std::string text;
    for (const Object& object : manifest->objects) {
      const Object complete = defaultObject(object);
      const auto valid = validateObject(complete);
      EXPECT_TRUE(valid.ok()) << path << ": " << valid.error().text;
      text += prettyJson(encodeObject(complete));
    }
    compareWithGolden(path.stem().string() + ".json", text);
  }
}

TEST(Golden, EveryExampleReadsBackFromItsOwnYaml) {
  for (const auto& path : examples()) {
    const auto manifest = decodeManifest(readText(path));
    ASSERT_TRUE(manifest.ok());
    std::string text;
    for (const Object& object : manifest->objects) text += "---\n" + renderYaml(encodeObject(object));
    const auto again = decodeManifest(text, UnknownFields::kRefuse);
    ASSERT_TRUE(again.ok()) << path << ": " << again.error().text;
    EXPECT_EQ(again->objects, manifest->objects) << path;
  }
}

TEST(Golden, AFullPodKeepsEveryField) {
  const auto manifest = decodeManifest(readText(kGolden / "full_pod.yaml"), UnknownFields::kRefuse);
  ASSERT_TRUE(manifest.ok()) << manifest.error().text;
  ASSERT_EQ(manifest->objects.size(), 1U);
  const json::value encoded = encodeObject(manifest->objects.front());
  compareWithGolden("full_pod.json", prettyJson(encoded));
  const auto again = decode<Pod>(encoded, UnknownFields::kRefuse);
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_EQ(Object(again->value), manifest->objects.front());
}

// Nothing that stands in the text may be missing in what is encoded.
void expectContains(const json::value& whole, const json::value& part, const std::string& path) {
  if (const json::object* object = part.if_object()) {
    ASSERT_TRUE(whole.is_object()) << path;
    for (const auto& member : *object) {
      const json::value* inner = whole.get_object().if_contains(member.key());
      ASSERT_NE(inner, nullptr) << path << "." << member.key();
      expectContains(*inner, member.value(),
                     path + "." + std::string(member.key().data(), member.key().size()));
    }
  } else if (const json::array* array = part.if_array()) {
    ASSERT_TRUE(whole.is_array()) << path;
    ASSERT_EQ(whole.get_array().size(), array->size()) << path;
    for (size_t i = 0; i < array->size(); ++i) {
      expectContains(whole.get_array()[i], (*array)[i], path + "[" + std::to_string(i) + "]");
    }
  } else if (path.find(".limits") == std::string::npos && path.find(".requests") == std::string::npos &&
             !(part.is_bool() && !part.get_bool())) {
    EXPECT_EQ(whole, part) << path;
  }
}

TEST(Golden, AFullPodLosesNothing) {
  const auto documents = parseYaml(readText(kGolden / "full_pod.yaml"));
  ASSERT_TRUE(documents.ok());
  const auto pod = decode<Pod>(documents->front().value);
  ASSERT_TRUE(pod.ok());
  expectContains(encode(pod->value), documents->front().value, "");
}

}  // namespace
}  // namespace keelson::api
