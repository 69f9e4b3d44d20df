#include "lookup.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "resolved.h"

namespace nacelle::egress {
namespace {

// Truncated: the rest is told over TCP.
bool is_cut(const std::string& answer) {
  constexpr unsigned kTruncated = 0x02;
  return answer.size() >= names::kHeaderSize && (static_cast<unsigned char>(answer[2]) & kTruncated) != 0;
}

}  // namespace

Lookup::Lookup(Loop& loop, Servers servers, std::string name, Found found)
    : loop_(loop), servers_(std::move(servers)), name_(std::move(name)), found_(std::move(found)) {}

Lookup::~Lookup() {
  *is_alive_ = false;
  for (const Question& question : questions_) {
    if (question.asked) question.asked->give_up();
  }
}

void Lookup::begin() {
  const uint16_t types[] = {names::kTypeAaaa, names::kTypeA};
  for (size_t i = 0; i < std::size(types); ++i) {
    questions_[i].message = address_query(name_, types[i]);
    names::read_query(questions_[i].message, questions_[i].query);
  }
  for (Question& question : questions_) ask(question, false);
}

void Lookup::ask(Question& question, bool is_tcp) {
  const auto done = [this, &question, is_tcp, alive = is_alive_](std::string answer) {
    // whoever answers is just being called, and may be asked anew
    loop_.later([this, &question, is_tcp, alive, answer = std::move(answer)] {
      if (*alive) take(question, answer, is_tcp);
    });
  };
  question.asked = std::make_shared<names::Forwarded>(loop_, servers_, question.message, question.query, is_tcp, done);
  question.asked->begin();
}

void Lookup::take(Question& question, const std::string& answer, bool is_tcp) {
  if (!is_tcp && is_cut(answer)) return ask(question, true);
  question.is_answered = true;
  question.addresses = addresses_in(answer, question.query);
  const bool is_whole = std::all_of(std::begin(questions_), std::end(questions_), [](const Question& one) { return one.is_answered; });
  if (!is_whole) return;
  std::vector<std::string> all = std::move(questions_[0].addresses);
  all.insert(all.end(), questions_[1].addresses.begin(), questions_[1].addresses.end());
  found_(all);
}

}  // namespace nacelle::egress
