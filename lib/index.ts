export { Container } from './container/container.js';
export { toGoJudgeResult, toIsolateMeta } from './container/mappers.js';
export type * from './container/types.js';
export { ImageError, NacelleError, SyscallError, UnsupportedError } from './errors.js';
export { Image } from './image/image.js';
export { Namespace } from './namespace/namespace.js';
export { VethPair } from './network/veth.js';
export { ContainerRunError } from './process/run-error.js';
export type * from './process/types.js';
