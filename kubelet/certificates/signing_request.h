// One certificate asked of the cluster: a CertificateSigningRequest is made, and its approval awaited.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/certificate_signing_request.h"
#include "api/client/api_client.h"
#include "base/executor.h"
#include "kubelet/certificates/certificate_request.h"

namespace keelson::kubelet::certificates {

struct SigningOrder {
  PrivateKey key;
  CertificateSubject subject;
  std::string signer;
  std::vector<std::string> usages;
  // "": the server chooses one ("csr-..."). A fixed one finds the request of an earlier life again.
  std::string name;
};

struct SigningTiming {
  Duration first_poll = std::chrono::seconds(1);  // doubled up to max_poll
  Duration max_poll = std::chrono::seconds(15);
  Duration timeout = std::chrono::minutes(15);
};

// What the request's state means for who waits. Pure: ok with the PEM, ok with "" (wait on), or why it will
// never come: kPermissionDenied (denied), kFailedPrecondition (failed, or another key's request under this
// name).
Result<std::string> judgeSigning(const api::CertificateSigningRequest& request, const SigningOrder& order);

// Polls instead of watching: approval takes seconds (a controller) or hours (a person), and one small GET at
// a growing interval needs no stream. Home: loop; destroying it ends it.
class SigningRequest {
 public:
  SigningRequest(Loop& loop, api::client::ApiClient& client, SigningOrder order, SigningTiming timing);

  // `done` runs once, on the loop: the issued certificates, or as judgeSigning, or kDeadlineExceeded (nobody
  // approved it in time), or the error of the request that made it. It may destroy this.
  void start(std::function<void(Result<std::string>)> done);

 private:
  void create();
  void poll();
  void waitOn();
  void onAnswer(Result<json::value> answer);
  void finish(Result<std::string> result);

  Loop& loop_;
  api::client::ApiClient& client_;
  SigningOrder order_;
  SigningTiming timing_;
  Duration next_poll_;
  std::string name_;
  std::string last_error_;  // of polling
  api::client::Call call_;
  Registration poll_timer_, deadline_;
  std::function<void(Result<std::string>)> done_;
};

}  // namespace keelson::kubelet::certificates
