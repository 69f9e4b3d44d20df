#include "guide.h"

#include <string_view>
#include <utility>

#include "name_answer.h"
#include "original_destination.h"

namespace nacelle::egress {

class Guide::Answers : public names::Answers {
 public:
  Answers(Guide& guide, bool has_ipv6) : guide_(guide), has_ipv6_(has_ipv6) {}

  names::Outcome ask(std::string_view message, bool is_tcp, names::Query&, std::string& out) override {
    NameAnswer answer = answer_name(message, is_tcp, has_ipv6_, *guide_.policy_, guide_.addresses_);
    if (!answer.refused.empty()) guide_.refusals_.tell({answer.refused, {}, 0, 0});
    out = std::move(answer.message);
    return out.empty() ? names::Outcome::kNothing : names::Outcome::kAnswer;
  }
  // Nothing is.
  void forward(std::string_view, const names::Query&, bool, const Later&) override {}

 private:
  Guide& guide_;
  const bool has_ipv6_;
};

Guide::Guide(Loop& loop, names::Shares& connections, uint64_t owner, std::shared_ptr<const Policy> policy, bool has_ipv6, uint32_t start,
             Refusals::Told told)
    : policy_(std::move(policy)),
      addresses_(FakeAddresses::kMost, start),
      refusals_(std::move(told)),
      service_(std::make_shared<names::Service>(loop, std::make_shared<Answers>(*this, has_ipv6), connections, owner)) {}

Guide::~Guide() { service_->stop(); }

int Guide::start(unique_fd udp, unique_fd tcp) { return service_->start(std::move(udp), std::move(tcp)); }

bool Guide::find_goal(int client, Goal& goal) {
  const std::string address = original_destination(client, goal.port);
  uint32_t number = 0;
  const bool is_name = is_fake(address, number);
  goal.name = is_name ? addresses_.name_of(address) : std::string();
  goal.address = is_name ? std::string() : address;
  const bool is_allowed = is_name ? !goal.name.empty() && policy_->allows_name(goal.name, goal.port)
                                  : !address.empty() && policy_->allows_address(address, goal.port);
  if (!is_allowed) refusals_.tell({goal.name, address, goal.port, 0});
  return is_allowed;
}

}  // namespace nacelle::egress
