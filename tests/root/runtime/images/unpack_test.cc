// Layers on the real file system: what must come out, and what must never get out.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "base/sha256.h"
#include "kernel/mount.h"
#include "runtime/images/byte_source.h"
#include "runtime/images/unpack.h"
#include "tests/fakes/layer_tar.h"

namespace keelson::runtime::images {
namespace {

using fakes::gzipped;
using fakes::LayerTar;
using fakes::TarFields;
namespace fs = std::filesystem;

class TextSource : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  Result<std::string_view> next() override { return std::exchange(left_, std::string_view()); }

 private:
  std::string text_;
  std::string_view left_ = text_;
};

// A work folder with the layer's root in it and bait beside it.
class Unpack : public ::testing::Test {
 protected:
  Unpack() : work_(::testing::TempDir() + "keelson-unpack-" + randomHex(6)), root_(work_ + "/layer") {
    fs::create_directories(root_);
    fs::create_directories(work_ + "/outside");
    std::ofstream(work_ + "/outside/secret") << "bait";
    layer_ = DirFd::open(root_).value();
  }
  ~Unpack() override {
    const auto work = DirFd::open(::testing::TempDir());
    EXPECT_TRUE(work.ok() && work->removeTree(fs::path(work_).filename()).ok());
  }

  Result<UnpackedLayer> unpack(const std::string& tar) {
    TextSource source(tar);
    Stop stop(std::chrono::seconds(60));
    return unpackLayer(source, layer_, limits_, stop);
  }
  void expectUnpacks(const LayerTar& tar) {
    const auto layer = unpack(gzipped(tar.bytes()));
    ASSERT_TRUE(layer.ok()) << layer.error().text;
    EXPECT_EQ(layer->diff_id, "sha256:" + sha256Hex(tar.bytes()));
  }
  void expectRefused(const LayerTar& tar, Code code) {
    const auto layer = unpack(tar.bytes());
    ASSERT_FALSE(layer.ok());
    EXPECT_EQ(layer.error().code, code) << layer.error().text;
  }
  // The bait is as it was and alone.
  void expectNothingEscaped() {
    EXPECT_EQ(content("../outside/secret"), "bait");
    EXPECT_EQ(std::distance(fs::directory_iterator(work_ + "/outside"), fs::directory_iterator()), 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(work_), fs::directory_iterator()), 2);
    struct stat status {};
    ASSERT_EQ(stat((work_ + "/outside/secret").c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 1u);
  }
  struct stat statOf(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(fstatat(layer_.get(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW), 0) << path;
    return status;
  }
  bool exists(const std::string& path) {
    return faccessat(layer_.get(), path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }
  std::string content(const std::string& path) {
    std::ifstream file(root_ + "/" + path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string linkOf(const std::string& path) { return fs::read_symlink(root_ + "/" + path); }
  std::string attribute(const std::string& path, const char* name) {
    char value[1000];
    const ssize_t size = lgetxattr((root_ + "/" + path).c_str(), name, value, sizeof value);
    return size < 0 ? "" : std::string(value, static_cast<size_t>(size));
  }
  bool isWhiteoutHere(const std::string& path) {
    const auto status = statOf(path);
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
  }

  std::string work_, root_;
  DirFd layer_;
  UnpackLimits limits_;
};

// ---- what must come out ----

TEST_F(Unpack, KeepsWhatATarSays) {
  TarFields owned;
  owned.mode = 04755;
  owned.uid = 1234;
  owned.gid = 5678;
  TarFields device;
  device.mode = 0640;
  device.major = 1;
  device.minor = 3;
  expectUnpacks(LayerTar()
                    .directory("./", 0711)
                    .directory("usr", 02755)
                    .add('0', "usr/su", "program", owned)
                    .symlink("usr/link", "/etc/passwd")
                    .hardLink("usr/same", "usr/su")
                    .add('3', "usr/null", "", device)
                    .add('6', "usr/fifo", "", {})
                    .file("empty", ""));
  EXPECT_EQ(statOf(".").st_mode & 07777, 0711u);
  EXPECT_EQ(statOf("usr").st_mode & 07777, 02755u);
  EXPECT_EQ(content("usr/su"), "program");
  EXPECT_EQ(statOf("usr/su").st_mode & 07777, 04755u);
  EXPECT_EQ(statOf("usr/su").st_uid, 1234u);
  EXPECT_EQ(statOf("usr/su").st_gid, 5678u);
  EXPECT_EQ(statOf("usr/su").st_ino, statOf("usr/same").st_ino);
  EXPECT_EQ(linkOf("usr/link"), "/etc/passwd");
  EXPECT_TRUE(S_ISCHR(statOf("usr/null").st_mode));
  EXPECT_EQ(statOf("usr/null").st_rdev, makedev(1, 3));
  EXPECT_EQ(statOf("usr/null").st_mode & 07777, 0640u);
  EXPECT_TRUE(S_ISFIFO(statOf("usr/fifo").st_mode));
  EXPECT_EQ(statOf("empty").st_size, 0);
  for (const std::string path : {".", "usr", "usr/su", "usr/link", "usr/null", "usr/fifo", "empty"})
    EXPECT_EQ(statOf(path).st_mtim.tv_sec, 1'700'000'000) << path;
}

TEST_F(Unpack, DoesNotDependOnTheUmask) {
  const mode_t before = umask(0777);
  TarFields open;
  open.mode = 0666;
  const auto layer =
      unpack(LayerTar().directory("d", 0777).add('0', "d/f", "x", open).file("implicit/f", "y").bytes());
  umask(before);
  ASSERT_TRUE(layer.ok()) << layer.error().text;
  EXPECT_EQ(statOf("d").st_mode & 07777, 0777u);
  EXPECT_EQ(statOf("d/f").st_mode & 07777, 0666u);
  EXPECT_EQ(statOf("implicit").st_mode & 07777, 0755u);
  EXPECT_EQ(layer->implicit_dirs, std::vector<std::string>{"implicit"});
}

TEST_F(Unpack, FilesInASetgidDirectoryKeepTheirOwnGroup) {
  TarFields mail;
  mail.mode = 02775;
  mail.gid = 8;
  expectUnpacks(LayerTar().add('5', "mail", "", mail).file("mail/box", "x").file("mail/sub/y", "z"));
  EXPECT_EQ(statOf("mail/box").st_gid, 0u);
  EXPECT_EQ(statOf("mail/sub").st_gid, 0u);
  EXPECT_EQ(statOf("mail/sub").st_mode & 07777, 0755u);
}

TEST_F(Unpack, KeepsCapabilitiesAndUserAttributes) {
  const std::string capability(
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  TarFields fields;
  fields.uid = 33;
  fields.mode = 0755;
  fields.pax["SCHILY.xattr.security.capability"] = capability;
  fields.pax["SCHILY.xattr.user.note"] = "hello";
  expectUnpacks(LayerTar().add('0', "ping", "x", fields));
  EXPECT_EQ(attribute("ping", "security.capability"), capability);
  EXPECT_EQ(attribute("ping", "user.note"), "hello");
}

TEST_F(Unpack, TurnsWhiteoutsIntoOverlayfsOnes) {
  expectUnpacks(LayerTar()
                    .directory("etc")
                    .file("etc/.wh.gone", "")
                    .file("dir/.wh..wh..opq", "")
                    .file("dir/new", "n")
                    .file(".wh..wh.plnk", "")
                    .file(".wh.top", ""));
  EXPECT_TRUE(isWhiteoutHere("etc/gone"));
  EXPECT_TRUE(isWhiteoutHere("top"));
  EXPECT_EQ(attribute("dir", "trusted.overlay.opaque"), "y");
  EXPECT_EQ(content("dir/new"), "n");
  for (const std::string path : {"etc/.wh.gone", "dir/.wh..wh..opq", ".wh..wh.plnk", ".wh.top"})
    EXPECT_FALSE(exists(path)) << path;
}

TEST_F(Unpack, AWhiteoutConcernsTheLayersBelowOnly) {
  // The name is in the same layer, before or after.
  expectUnpacks(LayerTar()
                    .file("a", "mine")
                    .file(".wh.a", "")
                    .file(".wh.b", "")
                    .file("b", "mine")
                    .directory("c")
                    .file("c/x", "mine")
                    .file(".wh.c", "")
                    .file(".wh.d", "")
                    .directory("d")
                    .file("d/x", "mine")
                    .file(".wh.e", "")
                    .file("e/x", "mine"));
  EXPECT_EQ(content("a"), "mine");
  EXPECT_EQ(content("b"), "mine");
  for (const std::string path : {"c", "d", "e"}) {
    EXPECT_EQ(content(path + "/x"), "mine") << path;
    EXPECT_EQ(attribute(path, "trusted.overlay.opaque"), "y") << path;
  }
}

TEST_F(Unpack, LooksRightThroughTheRealOverlayfs) {
  const std::string upper_root = root_, lower_root = work_ + "/lower";
  fs::create_directories(lower_root);
  const auto lower = DirFd::open(lower_root).value();
  {
    TextSource source(LayerTar()
                          .file("keep", "k")
                          .file("gone", "g")
                          .directory("dir")
                          .file("dir/old", "o")
                          .directory("was")
                          .file("was/x", "x")
                          .bytes());
    Stop stop;
    ASSERT_TRUE(unpackLayer(source, lower, limits_, stop).ok());
  }
  expectUnpacks(LayerTar()
                    .file(".wh.gone", "")
                    .file("dir/.wh..wh..opq", "")
                    .file("dir/new", "n")
                    .file(".wh.was", "")
                    .directory("was"));
  const auto overlay = kernel::createOverlay({layer_.get(), lower.get()}, -1, -1);
  ASSERT_TRUE(overlay.ok()) << overlay.error().text;
  const auto seen = [&](const char* path) { return faccessat(overlay->get(), path, F_OK, 0) == 0; };
  EXPECT_TRUE(seen("keep"));
  EXPECT_FALSE(seen("gone"));
  EXPECT_TRUE(seen("dir/new"));
  EXPECT_FALSE(seen("dir/old"));
  EXPECT_TRUE(seen("was"));
  EXPECT_FALSE(seen("was/x"));
  fs::remove_all(lower_root);
}

TEST_F(Unpack, LaterEntriesReplaceEarlierOnes) {
  expectUnpacks(LayerTar()
                    .file("file-dir", "f")
                    .directory("file-dir")
                    .file("file-dir/in", "1")
                    .directory("dir-file")
                    .file("dir-file/in", "1")
                    .file("dir-file", "now a file")
                    .directory("dir-dir", 0700)
                    .file("dir-dir/in", "kept")
                    .directory("dir-dir", 0755)
                    .symlink("link-file", "elsewhere")
                    .file("link-file", "now a file")
                    .symlink("link-dir", "dir-dir")
                    .directory("link-dir")
                    .file("link-dir/own", "1")
                    .file("twice", "first, longer")
                    .file("twice", "second")
                    .file("x", "x")
                    .hardLink("x", "x")
                    .hardLink("y", "x")
                    .hardLink("y", "x"));
  EXPECT_EQ(content("file-dir/in"), "1");
  EXPECT_EQ(content("dir-file"), "now a file");
  EXPECT_EQ(content("dir-dir/in"), "kept");
  EXPECT_EQ(statOf("dir-dir").st_mode & 07777, 0755u);
  EXPECT_EQ(content("link-file"), "now a file");
  EXPECT_FALSE(exists("elsewhere"));
  EXPECT_TRUE(S_ISDIR(statOf("link-dir").st_mode));
  EXPECT_FALSE(exists("dir-dir/own"));
  EXPECT_EQ(content("twice"), "second");
  EXPECT_EQ(content("y"), "x");
}

TEST_F(Unpack, DirectoriesThatWereReplacedAreNotWrittenThroughTheCache) {
  // "d/sub" is open when "d" becomes a link to "other"; what follows belongs there.
  expectUnpacks(LayerTar()
                    .directory("other")
                    .directory("other/sub")
                    .directory("d")
                    .directory("d/sub")
                    .file("d/sub/1", "1")
                    .symlink("d", "other")
                    .file("d/sub/2", "2"));
  EXPECT_EQ(content("other/sub/2"), "2");
  EXPECT_FALSE(exists("other/sub/1"));
}

TEST_F(Unpack, FollowsLinksInsideTheLayer) {
  expectUnpacks(LayerTar()
                    .directory("usr")
                    .directory("usr/lib")
                    .symlink("lib", "usr/lib")
                    .file("lib/libc.so", "c")
                    .symlink("abs", "/usr/lib")
                    .file("abs/libm.so", "m")
                    .symlink("early", "made/later")
                    .file("early/x", "x"));
  EXPECT_EQ(content("usr/lib/libc.so"), "c");
  EXPECT_EQ(content("usr/lib/libm.so"), "m");
  EXPECT_EQ(content("made/later/x"), "x");
  EXPECT_EQ(linkOf("lib"), "usr/lib");
}

TEST_F(Unpack, SparseFilesKeepTheirHoles) {
  TarFields sparse;
  sparse.pax["GNU.sparse.major"] = "1";
  sparse.pax["GNU.sparse.minor"] = "0";
  sparse.pax["GNU.sparse.name"] = "sparse";
  sparse.pax["GNU.sparse.realsize"] = "1048576";
  std::string map = "1\n524288\n4\n";
  map.resize(512, '\0');
  expectUnpacks(LayerTar().add('0', "x/sparse", map + "data", sparse));
  EXPECT_EQ(statOf("sparse").st_size, 1048576);
  EXPECT_LT(statOf("sparse").st_blocks * 512, 200'000);
  EXPECT_EQ(content("sparse").substr(524288, 4), "data");
}

// ---- what must never get out: one exploit a test ----

TEST_F(Unpack, DotDotStaysInside) {
  expectUnpacks(LayerTar()
                    .file("../outside/secret", "pwned")
                    .file("a/../../../outside/new", "pwned")
                    .file("/abs", "x"));
  expectNothingEscaped();
  EXPECT_EQ(content("outside/secret"), "pwned");
  EXPECT_EQ(content("abs"), "x");
}

TEST_F(Unpack, ASymlinkIsNoWayOut) {
  expectUnpacks(LayerTar()
                    .symlink("up", "../outside")
                    .file("up/secret", "pwned")
                    .symlink("abs", work_ + "/outside")
                    .file("abs/new", "pwned")
                    .symlink("a", "..")
                    .symlink("a/b", "..")
                    .file("a/b/outside/new", "pwned")
                    .symlink("self", "secret")
                    .file("self", "own"));
  expectNothingEscaped();
  EXPECT_EQ(content("outside/secret"), "pwned");
}

TEST_F(Unpack, AFileIsNotWrittenThroughALink) {
  expectUnpacks(LayerTar().symlink("f", work_ + "/outside/secret").file("f", "pwned"));
  expectNothingEscaped();
  EXPECT_EQ(content("f"), "pwned");
}

TEST_F(Unpack, AHardLinkCannotNameTheHost) {
  expectRefused(LayerTar().hardLink("shadow", "../../../../../../../../etc/shadow"), Code::kNotFound);
  expectRefused(LayerTar().hardLink("passwd", "/etc/passwd"), Code::kNotFound);
  expectRefused(LayerTar().symlink("out", work_ + "/outside").hardLink("s", "out/secret"), Code::kNotFound);
  EXPECT_FALSE(exists("s"));
  expectNothingEscaped();
}

TEST_F(Unpack, AHardLinkToALinkDoesNotLeadOut) {
  // The classic: link the link, then write through it.
  expectUnpacks(LayerTar().symlink("l", work_ + "/outside/secret").hardLink("h", "l").file("h", "pwned"));
  expectNothingEscaped();
}

TEST_F(Unpack, MetadataIsNotSetThroughALink) {
  TarFields naked;
  naked.mode = 0777;
  naked.uid = 4242;
  naked.link = work_ + "/outside/secret";
  expectUnpacks(LayerTar().add('2', "l", "", naked).symlink("d", work_ + "/outside").directory("d", 0777));
  struct stat status {};
  ASSERT_EQ(stat((work_ + "/outside/secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0u);
  ASSERT_EQ(stat((work_ + "/outside").c_str(), &status), 0);
  EXPECT_NE(status.st_mode & 07777, 0777u);
  expectNothingEscaped();
}

TEST_F(Unpack, OverlayAttributesOfStrangersAreDropped) {
  TarFields fields;
  fields.pax["SCHILY.xattr.trusted.overlay.redirect"] = "/../../etc";
  fields.pax["SCHILY.xattr.trusted.overlay.metacopy"] = "";
  fields.pax["SCHILY.xattr.trusted.overlay.opaque"] = "y";
  fields.pax["SCHILY.xattr.user.overlay.opaque"] = "y";
  fields.pax["SCHILY.xattr.security.selinux"] = "x";
  fields.mode = 0755;
  expectUnpacks(LayerTar().add('5', "d", "", fields).add('0', "f", "x", fields));
  for (const std::string path : {"d", "f"})
    for (const char* name : {"trusted.overlay.redirect", "trusted.overlay.metacopy", "trusted.overlay.opaque",
                             "user.overlay.opaque"})
      EXPECT_EQ(lgetxattr((root_ + "/" + path).c_str(), name, nullptr, 0), -1) << path << " " << name;
}

TEST_F(Unpack, WhiteoutsOfDotsAreRefused) {
  expectRefused(LayerTar().file("a/.wh...", ""), Code::kDataLoss);
  expectRefused(LayerTar().file(".wh..", ""), Code::kDataLoss);
  expectRefused(LayerTar().file(".wh.", ""), Code::kDataLoss);
  expectNothingEscaped();
}

TEST_F(Unpack, AnOpaqueMarkBehindALinkStaysInside) {
  expectUnpacks(
      LayerTar().symlink("out", work_ + "/outside").file("out/.wh..wh..opq", "").file("out/.wh.secret", ""));
  EXPECT_EQ(lgetxattr((work_ + "/outside").c_str(), "trusted.overlay.opaque", nullptr, 0), -1);
  expectNothingEscaped();
}

TEST_F(Unpack, LinkLoopsEnd) {
  expectRefused(LayerTar().symlink("a", "b").symlink("b", "a").file("a/x", "x"), Code::kInvalidArgument);
  expectRefused(LayerTar().symlink("s", "s").file("s/x", "x"), Code::kInvalidArgument);
  expectRefused(LayerTar().symlink("t", "t/t").file("t/x", "x"), Code::kInvalidArgument);
}

TEST_F(Unpack, AFileIsNoDirectory) {
  expectRefused(LayerTar().file("f", "x").file("f/in", "y"), Code::kInvalidArgument);
}

TEST_F(Unpack, TheRootIsNotReplaced) {
  expectRefused(LayerTar().symlink("./", work_ + "/outside"), Code::kDataLoss);
  expectRefused(LayerTar().symlink("a/..", work_ + "/outside"), Code::kDataLoss);
  expectRefused(LayerTar().file("x", "x").hardLink("/", "x"), Code::kDataLoss);
  expectNothingEscaped();
}

TEST_F(Unpack, IdsThatMeanUnchangedAreRefused) {
  TarFields fields;
  fields.pax["uid"] = "4294967295";
  expectRefused(LayerTar().add('0', "f", "x", fields), Code::kDataLoss);
  fields.pax["uid"] = "99999999999";
  expectRefused(LayerTar().add('0', "g", "x", fields), Code::kDataLoss);
  fields.pax["uid"] = "4294967294";
  expectUnpacks(LayerTar().add('0', "h", "x", fields));
  EXPECT_EQ(statOf("h").st_uid, 4294967294u);
}

TEST_F(Unpack, HugeSizesAreRefusedBeforeAnythingIsWritten) {
  TarFields huge;
  huge.pax["GNU.sparse.major"] = "1";
  huge.pax["GNU.sparse.minor"] = "0";
  huge.pax["GNU.sparse.name"] = "sparse";
  huge.pax["GNU.sparse.realsize"] = "9000000000000000000";
  std::string map = "0\n";
  map.resize(512, '\0');
  expectRefused(LayerTar().add('0', "x", map, huge), Code::kResourceExhausted);
  limits_.bytes = 1 << 20;
  TarFields lying;
  lying.claimed_size = "77777777777";
  expectRefused(LayerTar().add('0', "y", "x", lying), Code::kResourceExhausted);
  expectRefused(LayerTar().file("a", std::string(600'000, 'a')).file("b", std::string(600'000, 'b')),
                Code::kResourceExhausted);
}

TEST_F(Unpack, TooManyEntriesAreRefused) {
  limits_.inodes = 100;
  LayerTar many;
  for (int i = 0; i < 101; ++i) many.file(fmt::format("f{}", i), "");
  expectRefused(many, Code::kResourceExhausted);
  std::string deep;
  for (int i = 0; i < 150; ++i) deep += "d/";
  expectRefused(LayerTar().file(deep + "f", ""), Code::kResourceExhausted);
}

TEST_F(Unpack, DeepAndLongNamesAreHandled) {
  std::string deep;
  for (int i = 0; i < 1500; ++i) deep += "d/";
  expectUnpacks(LayerTar().file(deep + "f", "x"));
  const auto refused = unpack(LayerTar().file(deep + deep + "f", "x").bytes());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().text.find("too long"), std::string::npos) << refused.error().text;
  const auto wide = unpack(LayerTar().file(std::string(300, 'w'), "x").bytes());
  ASSERT_FALSE(wide.ok());
}

TEST_F(Unpack, NamesWithNulEndThere) {
  TarFields fields;
  fields.pax["path"] = std::string("good\0/../../outside/secret", 26);
  const auto layer = unpack(LayerTar().add('0', "x", "y", fields).bytes());
  static_cast<void>(layer.ok());
  expectNothingEscaped();
}

TEST_F(Unpack, ASecondArchiveBehindTheEndIsNotRead) {
  const auto two = LayerTar().file("a", "1").bytes() + LayerTar().file("b", "2").bytes();
  const auto layer = unpack(two);
  ASSERT_TRUE(layer.ok()) << layer.error().text;
  EXPECT_EQ(layer->diff_id, "sha256:" + sha256Hex(two));
  EXPECT_TRUE(exists("a"));
  EXPECT_FALSE(exists("b"));
}

TEST_F(Unpack, CutShortIsDataLoss) {
  const auto whole = LayerTar().file("a", std::string(10'000, 'a')).bytes();
  for (const size_t size : {600ul, 5000ul})
    EXPECT_EQ(unpack(whole.substr(0, size)).error().code, Code::kDataLoss);
}

// ---- beside GNU tar ----

TEST_F(Unpack, EqualsGnuTarOnARealTree) {
  const std::string archive = work_ + "/docs.tar.gz", theirs = work_ + "/theirs";
  fs::create_directories(theirs);
  const auto run = [](const std::string& command) {
    return std::system(command.c_str());
  };  // NOLINT(concurrency-mt-unsafe)
  ASSERT_EQ(run("cd / && tar -czf " + archive +
                " usr/include/linux usr/bin/[ab]* $(ls -d usr/share/doc/lib[a-c]*) 2>/dev/null"),
            0);
  ASSERT_EQ(run("tar -xzpf " + archive + " --same-owner --numeric-owner -C " + theirs), 0);
  const UniqueFd file(open(archive.c_str(), O_RDONLY | O_CLOEXEC));
  Stop stop(std::chrono::seconds(60));
  FdSource source(file.get(), "docs", stop);
  const auto layer = unpackLayer(source, layer_, limits_, stop);
  ASSERT_TRUE(layer.ok()) << layer.error().text;
  // Names, types, modes, owners, sizes, links and times of everything; then the contents. Directories
  // that the archive does not describe have the time of their making.
  const std::string list =
      " && find . -mindepth 3 ! -path ./usr/share/doc -printf '%p %y %m %U %G %l %T@ ' \\( -type f -printf "
      "'%s %n\\n' -o -printf '\\n' \\) | sort";
  ASSERT_EQ(run("cd " + theirs + list + " > " + work_ + "/a; cd " + root_ + list + " > " + work_ +
                "/b; test -s " + work_ + "/a && diff " + work_ + "/a " + work_ + "/b"),
            0);
  EXPECT_EQ(run("diff -r --no-dereference " + theirs + " " + root_ + " > /dev/null"), 0);
}

}  // namespace
}  // namespace keelson::runtime::images
