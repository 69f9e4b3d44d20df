#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "../kernel/file_io.h"
#include "made_in.h"
#include "name_sockets.h"
#include "steps.h"

namespace nacelle {
namespace {

// The folder of members' files, which the server reads as another user; the folder of all, above, is open to its owner alone.
int make_members_folder(const std::string& path, unique_fd& out) {
  constexpr int kMostTries = 10000;
  for (int tries = 0; tries < kMostTries; ++tries) {
    const std::string above = path.substr(0, path.rfind('/'));
    if (mkdir(above.c_str(), 0700) < 0 && errno != EEXIST) return -errno;
    const bool is_new = mkdir(path.c_str(), 0755) == 0;
    if (!is_new && errno != EEXIST && errno != ENOENT) return -errno;
    out.reset(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // a shim that ended at that moment was the last one, and has removed the empty folders
    if (!out && errno == ENOENT) continue;
    if (!out) return -errno;
    return is_new && fchmod(out.get(), 0755) < 0 ? -errno : 0;
  }
  return -ENOENT;
}

// The server may read the file when it is whole.
int put_file_at(int folder, const args::put_member& a) {
  const unique_fd file(openat(folder, a.name.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return -errno;
  int result = write_all(file.get(), a.bytes.data, a.bytes.size);
  if (result == 0 && fchmod(file.get(), 0644) < 0) result = -errno;
  if (result < 0) static_cast<void>(unlinkat(folder, a.name.text, 0));
  return result;
}

template <typename Args>
int serve_at(uint32_t address, Context& context, const Args& a, bool forwards) {
  unique_fd folder;
  if (const int result = make_members_folder(a.folder.text, folder); result < 0) return result;
  unique_fd sockets[2];
  const auto open = [address](unique_fd(&out)[2]) { return open_name_sockets(address, out); };
  if (const int result = made_in(context.slots, a.ns, open, sockets); result < 0) return result;
  NamesService service{std::move(sockets[0]), std::move(sockets[1]), forwards, {}};
  for (const Str& network : a.networks) service.networks.emplace_back(network.text, network.size);
  return context.names->serve(context.executable, context.served_id, std::move(service), std::move(folder));
}

}  // namespace

int run(Context&, const args::put_member& a) {
  constexpr int kMostTries = 10;
  int result = -ENOENT;
  for (int tries = 0; tries < kMostTries && result == -ENOENT; ++tries) {
    unique_fd folder;
    result = make_members_folder(a.folder.text, folder);
    if (result == 0) result = put_file_at(folder.get(), a);
  }
  return result;
}

int run(Context& context, const args::serve_names& a) { return serve_at(kNamesAddress, context, a, a.forwards != 0); }

int run(Context& context, const args::serve_peers& a) { return serve_at(kPeersAddress, context, a, false); }

int run(Context& context, const args::change_names& a) {
  std::vector<std::string> networks;
  for (const Str& network : a.networks) networks.emplace_back(network.text, network.size);
  return context.names->change(context.served_id, a.forwards != 0, std::move(networks));
}

int run(Context& context, const args::stop_names&) {
  context.names->stop(context.served_id);
  return 0;
}

}  // namespace nacelle
