import { isIP } from 'node:net';
import { absolutePath, custom, isFunction, text, word } from '../../options/common-fields.js';
import * as json from '../../options/option-fields.js';
import type { ProgressEvent } from '../../options/progress.js';
import { size } from '../../options/size.js';
import type { DenialListener } from '../../security/denials/denial-event.js';
import { CONTAINER_NAME } from './container-name.js';
import { copyIn } from './copy-in-option.js';
import { mount, tmpfsOptions } from './mount-options.js';
import { target } from './mount-target.js';
import { profileNames } from './profiles.js';
import { tidied } from './tidied.js';
import { volume } from './volume-option.js';

export const hostName = text
  .refine((name) => Buffer.byteLength(name) <= 64, 'must be at most 64 bytes long')
  .refine((name) => /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name), "must be made of letters, digits, '-', '_' and '.'");

export const address = text.refine((value) => isIP(value) !== 0, 'must be an IP address');

const paths = json.array(absolutePath.transform(tidied));

/** Those of the container's own RunOptions that are read without zod in each of their forms. */
export const containerFields = {
  profile: json.oneOf(profileNames),
  pull: json.oneOf(['missing', 'never', 'always']),
  upper: json.oneOf(['tmpfs', 'disk']),
  upperSize: size(4096),
  readOnly: json.boolean(),
  command: json.array(text),
  entrypoint: json.array(text),
  hostname: hostName,
  domainname: hostName,
  name: text.regex(CONTAINER_NAME, "must be at most 128 letters, digits, '_', '.' and '-', the first a letter or digit"),
  labels: json.record(text, text),
  init: json.boolean(),
  dns: json.array(address),
  mounts: json.array(mount),
  volumes: json.array(volume),
  tmpfs: json.record(text, tmpfsOptions),
  copyIn: json.record(text, copyIn),
  copyOut: json.array(target),
  copyOutMax: size(),
  capAdd: json.array(word),
  capDrop: json.array(word),
  noNewPrivileges: json.boolean(),
  maskedPaths: paths,
  readonlyPaths: paths,
  sysctls: json.record(word, text),
  oomScoreAdj: json.int().min(-1000).max(1000),
  detach: json.boolean(),
  autoRemove: json.boolean(),
  onDenied: custom((value): value is DenialListener => isFunction(value), 'must be a function'),
  onUnsupported: json.oneOf(['error', 'report']),
  onProgress: custom((value): value is (event: ProgressEvent) => void => isFunction(value), 'must be a function'),
};
