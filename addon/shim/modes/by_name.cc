#include "by_name.h"

#include <cstring>

#include "closer.h"
#include "denials.h"
#include "log.h"
#include "names.h"
#include "notify.h"
#include "pump.h"
#include "reaper.h"
#include "relay.h"
#include "watchdog.h"

namespace nacelle {

void run_by_name(int argc, char** argv) {
  if (argc == 0) return;
  if (std::strcmp(argv[0], kReaperName) == 0) reaper_main(argv[1]);
  if (argc == 2 && std::strcmp(argv[0], kPumpName) == 0) pump_main(argv[1]);
  if (argc == 4 && std::strcmp(argv[0], kLogName) == 0) log_main(argv[1], argv[2], argv[3]);
  if (argc == 1 && std::strcmp(argv[0], kDenialsName) == 0) denials_main();
  if (argc == 2 && std::strcmp(argv[0], kNamesName) == 0) names_main(argv[1]);
  if (argc == 5 && std::strcmp(argv[0], kNotifyName) == 0) notify_main(argv[1], argv[2], argv[3], argv[4]);
  if (argc == 1 && std::strcmp(argv[0], kRelayName) == 0) relay_main();
  if (argc == 1 && std::strcmp(argv[0], kConnectorName) == 0) connector_main();
  if (argc == 1 && std::strcmp(argv[0], kDatagramsName) == 0) datagrams_main();
  if (argc == 1 && std::strcmp(argv[0], kWatchdogName) == 0) watchdog_main();
  if (argc == 1 && std::strcmp(argv[0], kCloserName) == 0) closer_main();
}

}  // namespace nacelle
