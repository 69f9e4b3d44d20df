#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "answers.h"
#include "resolver.h"

namespace nacelle::names {

// What a container hears about the members of its networks, and, when its scope forwards, what the host's servers say.
class MemberAnswers : public Answers {
 public:
  MemberAnswers(Resolver& resolver, uint64_t owner, Scope scope) : resolver_(resolver), owner_(owner), scope_(std::move(scope)) {}
  void change(Scope scope) { scope_ = std::move(scope); }

  void refresh() override {
    resolver_.refresh();
    is_fresh_ = true;
  }
  void presume_fresh() override {
    is_fresh_ = false;
    if (resolver_.is_behind()) refresh();
  }
  Outcome ask(std::string_view message, bool is_tcp, Query& query, std::string& out) override {
    const Outcome outcome = resolver_.ask(scope_, message, is_tcp, query, out);
    if (is_fresh_ || query.is_known || outcome == Outcome::kNothing) return outcome;
    refresh();
    query = {};
    return resolver_.ask(scope_, message, is_tcp, query, out);
  }
  void forward(std::string_view message, const Query& query, bool is_tcp, const Later& later) override {
    resolver_.forward(owner_, scope_, message, query, is_tcp, later);
  }
  void forget() override { resolver_.forget(owner_); }

 private:
  Resolver& resolver_;
  const uint64_t owner_;
  Scope scope_;
  bool is_fresh_ = false;
};

}  // namespace nacelle::names
