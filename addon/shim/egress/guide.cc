#include "guide.h"

#include <string_view>
#include <utility>
#include <vector>

#include "../names/dns_message.h"
#include "name_answer.h"
#include "original_destination.h"
#include "resolved.h"

namespace nacelle::egress {

namespace {

std::string answer_of_peers(const std::string& answer, const std::string& message, const names::Query& query, bool is_tcp) {
  if (query.type != names::kTypeA && query.type != names::kTypeAaaa) return names::pass_on(answer, message, query, is_tcp);
  std::vector<names::Record> records;
  for (const std::string& address : addresses_in(answer, query)) records.push_back({query.type, address});
  return names::write_answer(message, query, names::Code::kNoError, records, {true, true, is_tcp ? names::kMaxMessage : query.udp_size});
}

}  // namespace

class Guide::Answers : public names::Answers {
 public:
  Answers(Guide& guide, bool has_ipv6) : guide_(guide), has_ipv6_(has_ipv6) {}

  names::Outcome ask(std::string_view message, bool is_tcp, names::Query& query, std::string& out) override {
    if (!guide_.peers_.is_there() || !may_be_peers(message, query)) return answer_by_list(message, is_tcp, out);
    return names::Outcome::kForward;
  }
  // A name of its networks is asked for first: a list that has every name must not hide them.
  void forward(std::string_view message, const names::Query& query, bool is_tcp, const Later& later) override {
    guide_.peers_.ask(message, query, [this, asked = std::string(message), query, is_tcp, later](const std::string& answer) {
      if (!answer.empty() && names::code_of(answer) == names::Code::kNoError) return later(answer_of_peers(answer, asked, query, is_tcp));
      std::string out;
      if (answer_by_list(asked, is_tcp, out) == names::Outcome::kAnswer) later(out);
    });
  }
  void forget() override { guide_.peers_.forget(); }

 private:
  // Whether it is a question about a name that the list does not deny at all ports.
  bool may_be_peers(std::string_view message, names::Query& query) const {
    if (!names::is_query(message) || names::read_query(message, query) != names::Code::kNoError) return false;
    return !guide_.policy_->denies(query.name);
  }
  names::Outcome answer_by_list(std::string_view message, bool is_tcp, std::string& out) {
    NameAnswer answer = answer_name(message, is_tcp, has_ipv6_, *guide_.policy_, guide_.addresses_);
    if (!answer.refused.empty()) guide_.refusals_.tell({answer.refused, {}, 0, 0});
    out = std::move(answer.message);
    return out.empty() ? names::Outcome::kNothing : names::Outcome::kAnswer;
  }

  Guide& guide_;
  const bool has_ipv6_;
};

Guide::Guide(Loop& loop, names::Shares& connections, uint64_t owner, std::shared_ptr<const Policy> policy, bool has_ipv6, uint32_t start,
             Refusals::Told told)
    : policy_(std::move(policy)),
      addresses_(FakeAddresses::kMost, start),
      refusals_(std::move(told)),
      peers_(loop),
      service_(std::make_shared<names::Service>(loop, std::make_shared<Answers>(*this, has_ipv6), connections, owner)) {}

Guide::~Guide() { service_->stop(); }

int Guide::start(unique_fd udp, unique_fd tcp, unique_fd peers) {
  const int result = peers ? peers_.start(std::move(peers)) : 0;
  return result < 0 ? result : service_->start(std::move(udp), std::move(tcp));
}

bool Guide::find_goal(int client, Goal& goal) {
  const std::string address = original_destination(client, goal.port);
  uint32_t number = 0;
  const bool is_name = is_fake(address, number);
  goal.name = is_name ? addresses_.name_of(address) : std::string();
  goal.address = is_name ? std::string() : address;
  const bool is_allowed = (is_name ? !goal.name.empty() : !address.empty()) && allows(goal);
  if (!is_allowed) refusals_.tell({goal.name, address, goal.port, 0});
  return is_allowed;
}

bool Guide::allows(const Goal& goal) const {
  return goal.name.empty() ? policy_->allows_address(goal.address, goal.port) : policy_->allows_name(goal.name, goal.port);
}

bool Guide::allows(const Goal& goal, const Place& place) const {
  return allows(goal) && (place.address.empty() || policy_->may_lead_to(place.address, goal.port, place.is_own));
}

}  // namespace nacelle::egress
