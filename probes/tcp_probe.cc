#include "probes/connection.h"
#include "probes/deadline.h"
#include "probes/network_probes.h"

namespace keelson::probes {
namespace {

class TcpAttempt final : public Attempt {
 public:
  TcpAttempt(const Effects& effects, const TcpTarget& target, Duration timeout, Done done)
      : done_(std::move(done)),
        connection_(std::make_shared<Connection>(effects.loop)),
        deadline_(effects.loop, effects.clock, timeout,
                  [this, where = joinHostPort(target.host, target.port)] {
                    finish({Verdict::kFailure, "dial tcp " + where + ": i/o timeout"});
                  }) {
    connection_->dial(target.host, target.port, [this](const std::string& error) {
      finish(error.empty() ? Outcome{} : Outcome{Verdict::kFailure, error});
    });
  }
  ~TcpAttempt() override { connection_->close(); }

 private:
  void finish(Outcome outcome) {
    if (!done_) return;
    const Done done = std::move(done_);
    done_ = nullptr;
    connection_->close();
    done(std::move(outcome));  // may destroy this
  }

  Done done_;
  const std::shared_ptr<Connection> connection_;
  Deadline deadline_;
};

}  // namespace

AttemptPtr startTcp(const Effects& effects, const TcpTarget& target, Duration timeout, Done done) {
  return std::make_unique<TcpAttempt>(effects, target, timeout, std::move(done));
}

}  // namespace keelson::probes
