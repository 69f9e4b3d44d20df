#pragma once

namespace nacelle {

// The shim's file in its mode as the other side of a container's NOTIFY_SOCKET (sd_notify(3)), which Node can't be: it has no unix sockets
// for datagrams. It is started by `nacelle-oci` (lib/runtime-cli/notify-socket.ts) and speaks for it: messages come from its parent's pid,
// since a unit's NotifyAccess is mostly for its main process alone.
constexpr char kNotifyName[] = "nacelle-notify";

// Binds the socket `path`, connects to `host`, and writes a byte to its standard output when both are there. It waits for READY=1, tells
// `host` so, and which pid is that of the main process from now on unless that has ended, and waits until that was heard. It ends then, or
// where the runtime stays as the main process when the process `pid` has ended, and when whoever holds its standard input has. What fails
// is told on standard error, with status 1.
[[noreturn]] void notify_main(const char* path, const char* host, const char* pid, const char* main_pid);

}  // namespace nacelle
