export { Cgroup } from './cgroup/cgroup.js';
export type { CgroupEvent } from './cgroup/event-counts.js';
export type { NamedGroup } from './cgroup/options.js';
export type { CgroupStats, DeviceIo } from './cgroup/stats.js';
export { Container } from './container/container.js';
export { type GoJudgeResult, type IsolateMeta, toGoJudgeResult, toIsolateMeta } from './container/mappers.js';
export type * from './container/types.js';
export { ImageError, NacelleError, SyscallError, UnsupportedError } from './errors.js';
export type { Change } from './filesystem/change.js';
export type { OverlayOptions } from './filesystem/options.js';
export { OverlayFs } from './filesystem/overlay.js';
export type { CgroupFeatures, ControllerFeature, UnifiedFeatures } from './host/cgroup-features.js';
export type { CgroupMode } from './host/cgroup-layout.js';
export type { Feature } from './host/feature.js';
export { type Features, features } from './host/features.js';
export { type ReapReport, reap } from './host/reap.js';
export type { Healthcheck, ImageConfig } from './image/config.js';
export { type Committable, Image, type LayerInfo } from './image/image.js';
export type { UnpackLimits } from './image/limits.js';
export type {
  CommitOptions,
  LoadOptions,
  OpenOptions,
  PullOptions,
  PushOptions,
  RegistryOptions,
  TransferOptions,
} from './image/options.js';
export type { RegistryAuth } from './image/registry/settings.js';
export type { PruneReport } from './image/store/prune.js';
export type { ImageInfo } from './image/store/stored.js';
export type { IdMap } from './namespace/idmap.js';
export type { NamespaceInfo } from './namespace/list.js';
export { Namespace } from './namespace/namespace.js';
export type { NamespaceOptions } from './namespace/options.js';
export type { Link, LinkStats } from './network/link.js';
export type { NetworkNamespace, NetworkOwner, VethOptions } from './network/options.js';
export { VethPair } from './network/veth.js';
export type { LayerOptions, LayerStream } from './plan/layer.js';
export type { DeviceRule, IoMax, Limits, RdmaMax } from './plan/limits.js';
export type { NamespaceType } from './plan/namespaces.js';
export type { ProgressEvent, ProgressListener } from './plan/progress.js';
export type { Scheduler } from './plan/scheduler.js';
export type { Size } from './plan/size.js';
export { ContainerRunError } from './process/run-error.js';
export type * from './process/types.js';
