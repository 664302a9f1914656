#include "kubelet/certificates/certificate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "kubelet/certificates/certificate_renewal.h"
#include "kubelet/certificates/certificate_store.h"
#include "kubelet/certificates/serving_certificates.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::certificates {
namespace {

using std::chrono::hours;

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

TEST(PrivateKey, IsReadBackAsWritten) {
  const PrivateKey key = PrivateKey::generate().value();
  EXPECT_TRUE(key.pem().starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
  const auto again = PrivateKey::parse(key.pem());
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->publicDer(), key.publicDer());
  EXPECT_NE(PrivateKey::generate()->publicDer(), key.publicDer());
  for (const char* bad : {"", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "text"})
    EXPECT_FALSE(PrivateKey::parse(bad)) << bad;
}

TEST(BuildCsr, SignsItsOwnKey) {
  const PrivateKey key = PrivateKey::generate().value();
  const auto pem =
      buildCsr(key, servingSubject("n1", {"n1", "n1.example"}, {ip("192.0.2.1"), ip("2001:db8::1")}));
  ASSERT_TRUE(pem) << pem.error().text;
  EXPECT_TRUE(pem->starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
  EXPECT_EQ(csrPublicDer(*pem).value(), key.publicDer());
  EXPECT_FALSE(csrPublicDer("nonsense"));
}

TEST(CsrName, FollowsKeySubjectAndUsages) {
  const PrivateKey key = PrivateKey::generate().value(), other = PrivateKey::generate().value();
  const std::string name = csrName(key, clientSubject("n1"), clientUsages());
  EXPECT_TRUE(name.starts_with("node-csr-")) << name;
  EXPECT_EQ(name.size(), 9u + 43u) << "256 bits in base64 without padding";
  EXPECT_EQ(name, csrName(PrivateKey::parse(key.pem()).value(), clientSubject("n1"), clientUsages()));
  EXPECT_NE(name, csrName(other, clientSubject("n1"), clientUsages()));
  EXPECT_NE(name, csrName(key, clientSubject("n2"), clientUsages()));
  EXPECT_NE(name, csrName(key, clientSubject("n1"), servingUsages()));
}

TEST(Certificate, SaysWhatItWasMadeFor) {
  FakeClock clock;
  const PrivateKey key = PrivateKey::generate().value();
  const CertificateSubject subject = servingSubject("n1", {"b", "a"}, {ip("192.0.2.9"), ip("2001:db8::1")});
  const std::string pem = buildSelfSigned(key, subject, clock.wall(), hours(24)).value();
  const auto infos = readCertificates("text before\n" + pem + key.pem());
  ASSERT_TRUE(infos) << infos.error().text;
  ASSERT_EQ(infos->size(), 1u);
  EXPECT_EQ(infos->front().subject, subject);
  EXPECT_EQ(infos->front().not_after, clock.wall() + hours(24));
  EXPECT_TRUE(checkPair(pem, key));
  EXPECT_FALSE(checkPair(pem, PrivateKey::generate().value()));
  EXPECT_TRUE(covers(infos->front(), servingSubject("n1", {"a"}, {ip("192.0.2.9")})));
  EXPECT_FALSE(covers(infos->front(), servingSubject("n1", {"c"}, {})));
  EXPECT_FALSE(covers(infos->front(), servingSubject("n2", {"a"}, {})));
  EXPECT_EQ(readCertificates(pem + pem)->size(), 2u);
  for (const char* bad : {"", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
    EXPECT_FALSE(readCertificates(bad)) << bad;
}

TEST(RotationDeadline, LiesBetween70And90PercentOfTheLife) {
  const WallTime from{hours(1000)}, to{hours(1100)};
  EXPECT_EQ(rotationDeadline(from, to, 0), WallTime{hours(1070)});
  EXPECT_NEAR(std::chrono::duration<double>(rotationDeadline(from, to, 0.999999) - from).count(), 90 * 3600,
              1);
}

TEST(PlanRenewal, AsksWhenDueOrWhenNamesAreMissing) {
  const CertificateSubject subject = clientSubject("n1");
  CertificateInfo info;
  info.subject = subject;
  const WallTime now{hours(10)};
  EXPECT_EQ(planRenewal(info, subject, now + hours(1), now), RenewalStep::kWait);
  EXPECT_EQ(planRenewal(info, subject, now, now), RenewalStep::kRequest);
  EXPECT_EQ(planRenewal(info, clientSubject("n2"), now + hours(1), now), RenewalStep::kRequest);
  EXPECT_EQ(planRenewal(std::nullopt, subject, std::nullopt, now), RenewalStep::kRequest);
  EXPECT_EQ(planRenewal(std::nullopt, std::nullopt, std::nullopt, now), RenewalStep::kWait);
}

TEST(CertificateStore, KeepsTheNewestBehindALink) {
  TempDir temp;
  FakeClock clock;
  const CertificateStore store(temp / "pki", "kubelet-client");
  EXPECT_EQ(store.load().error().code, Code::kNotFound);
  for (int round = 0; round < 2; ++round) {
    const PrivateKey key = PrivateKey::generate().value();
    const std::string pem = buildSelfSigned(key, clientSubject("n1"), clock.wall(), hours(24)).value();
    ASSERT_TRUE(store.update(pem, key, clock.wall()));
    const auto loaded = store.load();
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(loaded->key.publicDer(), key.publicDer());
    clock.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(std::filesystem::read_symlink(store.currentPath()),
            temp / "pki/kubelet-client-2026-01-01-00-00-01.pem");
  struct stat status {};
  ASSERT_EQ(::stat(store.currentPath().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  // What does not fit together does not become current.
  const PrivateKey key = PrivateKey::generate().value();
  EXPECT_FALSE(store.update(store.load()->pem, key, clock.wall()));
  EXPECT_TRUE(store.load());
}

TEST(EnsureSelfSigned, KeepsAValidPairAndReplacesOthers) {
  TempDir temp;
  FakeClock clock;
  CertificateSubject subject = servingSubject("n1", {"n1"}, {ip("192.0.2.1")});
  subject.common_name = "n1";
  const auto first = ensureSelfSigned(temp / "pki", subject, clock.wall());
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(*ensureSelfSigned(temp / "pki", subject, clock.wall()), *first);
  clock.advance(hours(24 * 340));
  const auto second = ensureSelfSigned(temp / "pki", subject, clock.wall());
  EXPECT_NE(*second, *first) << "soon expired";
  subject.ip_addresses = {ip("192.0.2.2")};
  EXPECT_NE(*ensureSelfSigned(temp / "pki", subject, clock.wall()), *second) << "another address";
}

}  // namespace
}  // namespace keelson::kubelet::certificates
