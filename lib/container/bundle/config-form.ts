import type { configSchema } from '../../oci-config/config-schema.js';
import type { input } from '../../options/option-fields.js';

/** What a schema takes, where a key may be missing instead of null. */
type Form<T> = T extends readonly (infer Item)[]
  ? Form<Item>[]
  : T extends object
    ? { [K in keyof T as undefined extends T[K] ? never : K]: Form<T[K]> } & {
        [K in keyof T as undefined extends T[K] ? K : never]?: Form<T[K]>;
      }
    : T;

/** config.json as it is written. */
export type ConfigForm = Form<input<typeof configSchema>>;
export type LinuxForm = NonNullable<ConfigForm['linux']>;
export type ProcessForm = NonNullable<ConfigForm['process']>;
export type ResourcesForm = NonNullable<LinuxForm['resources']>;
export type MountForm = NonNullable<ConfigForm['mounts']>[number];
