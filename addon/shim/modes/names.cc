#include "names.h"

#include "../kernel/unique_fd.h"
#include "../names/confine.h"
#include "../names/request.h"
#include "../names/server.h"
#include "confined_server.h"

namespace nacelle {
namespace {

// Of queries, and of connections. Half of the descriptors are for the sockets that are served; a query has up to three.
constexpr size_t kMost = 1024, kPart = 8;

}  // namespace

void names_main(const char* resolv_conf) {
  static names::Server server(kNamesControl, resolv_conf, share_of_files(kMost, kPart));
  const auto open = [] { return server.open(kNamesFolder, unique_fd(kNamesChanges)); };
  serve_confined<names::RequestAnswer>(kNamesControl, server, open, names::confine, kNamesName);
}

}  // namespace nacelle
