// The package loads a module when it first uses it. This one has the timers of the time of the import, before a test may have replaced them.
import './native/clock.js';

export { build } from './build/build.js';
export {
  BuildCache,
  type CachedStepInfo,
  type CacheInfo,
  type CacheMountInfo,
  type CacheMountOptions,
} from './build/build-cache.js';
export type {
  Build,
  BuildCheck,
  BuildEvent,
  BuildOptions,
  BuildResult,
  BuildStep,
  BuildWarning,
  CheckOptions,
} from './build/execute/build-options.js';
export type { BuildCacheOptions } from './build/execute/cache-option.js';
export type { FilesByPath } from './build/execute/context-options.js';
export { BuildError } from './build/language/build-error.js';
export type { LintRule } from './build/lint/lint-rules.js';
export type { SecretSource } from './build/mounts/secrets.js';
export type { BuildCachePruneReport, PruneReport } from './build/prune-report.js';
export * from './build/steps/make-steps.js';
export type {
  AddStepOptions,
  BuildInstruction,
  CopyStepOptions,
  HealthcheckStepOptions,
  RunStepOptions,
  StepCommand,
  TransferStepOptions,
} from './build/steps/step-types.js';
export { Cgroup } from './cgroup/cgroup.js';
export type { NamedGroup } from './cgroup/cgroup-options.js';
export type { CgroupEvent } from './cgroup/events/event-counts.js';
export type { CgroupStats, DeviceIo } from './cgroup/stats/group-stats.js';
export { Container } from './container/container.js';
export type { ContainerUpdate } from './container/life/limits-update.js';
export type * from './container/options/container-types.js';
export type { ContainerEvent, ContainerHappening, EventOptions, ProgramExit } from './container/options/event-types.js';
export type * from './container/options/inspect-types.js';
export type * from './container/options/list-types.js';
export type * from './container/options/log-types.js';
export type { NetworkAttachment } from './container/options/network-option.js';
export type * from './container/options/wait-types.js';
export { ContainerPool, type PoolRunOptions } from './container/pool/container-pool.js';
export type { PoolOptions } from './container/pool/pool-options.js';
export { type GoJudgeResult, type IsolateMeta, toGoJudgeResult, toIsolateMeta } from './container/result/judge-formats.js';
export { CniError, ImageError, NacelleError, SyscallError, UnsupportedError } from './errors.js';
export type { Change } from './filesystem/change.js';
export { OverlayFs } from './filesystem/overlay-fs.js';
export type { OverlayOptions } from './filesystem/overlay-fs-options.js';
export type { CgroupFeatures, ControllerFeature, UnifiedFeatures } from './host/cgroup-features.js';
export type { CgroupMode } from './host/cgroup-layout.js';
export type { Feature } from './host/feature.js';
export { type Features, features } from './host/features.js';
export type { ReapReport } from './host/reap.js';
export type { RootlessFeature, RootlessParts } from './host/rootless-features.js';
export type { ImageConfig, ImageHealthcheck } from './image/formats/image-config.js';
export type { IndexInfo } from './image/formats/image-index.js';
export type { LayerInfo } from './image/formats/layer-info.js';
export type { UnpackLimits } from './image/formats/unpack-limits.js';
export { type Committable, Image } from './image/image.js';
export type {
  CommitOptions,
  ImageMountOptions,
  LoadOptions,
  OpenOptions,
  PullOptions,
  PushOptions,
  RegistryOptions,
  TransferOptions,
  UnpackingOptions,
} from './image/image-options.js';
export type { RegistryAuth } from './image/registry/settings.js';
export type { ImagePruneReport } from './image/store/prune.js';
export type { ImageInfo } from './image/store/stored-images.js';
export { Namespace } from './namespace/namespace.js';
export type { NamespaceInfo } from './namespace/namespace-list.js';
export type { NamespaceOptions } from './namespace/namespace-options.js';
export { Network, type NetworkInfo, type NetworkPruneReport } from './network/bridge/network.js';
export type { NetworkOptions } from './network/bridge/network-options.js';
export { reap } from './network/bridge/plugin-networks.js';
export type { CniDriver } from './network/cni/plugin-network.js';
export type { EgressLists, EgressOptions } from './network/egress/egress-options.js';
export type { EgressRefusal } from './network/egress/egress-refusal.js';
export type { Link } from './network/link.js';
export type { NetworkConnectOptions, NetworkedContainer } from './network/live/place-in-network.js';
export type { PortMapping, PublishedPort } from './network/ports/port-mapping.js';
export type { Bandwidth } from './network/traffic/bandwidth.js';
export { VethPair } from './network/veth.js';
export type { NetworkNamespace, NetworkOwner, VethOptions } from './network/veth-options.js';
export type { NetworkPeer } from './network/vxlan/learn.js';
export type { LayerOptions, LayerStream } from './options/layer-options.js';
export type { DeviceRule, IoMax, Limits, RdmaMax } from './options/limits.js';
export type { ProgressEvent, ProgressListener } from './options/progress.js';
export type { Scheduler } from './options/scheduler.js';
export type { Size } from './options/size.js';
export type { NamespaceType } from './plan/namespace-types.js';
export type { IdMap } from './plan/user-maps.js';
export type * from './process/options/process-types.js';
export { ContainerRunError } from './process/run-error.js';
export {
  type ConnectOptions,
  connectTerminal,
  type TerminalTarget,
} from './process/terminal/connect-terminal.js';
export type * from './security/denials/denial-types.js';
export type * from './security/oci-profile/profile-types.js';
export { Volume, type VolumeInfo, type VolumePruneReport } from './volume/volume.js';
export type { VolumeOptions } from './volume/volume-options.js';
