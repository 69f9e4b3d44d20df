/** Credentials: a name and a password, docker's identity token, or a bearer token that the registry takes as it is. */
export type RegistryAuth =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }
  | { readonly token: string };

/** How a registry is spoken to, checked and with defaults. */
export interface RegistrySettings {
  readonly auth?: RegistryAuth | undefined;
  readonly insecure: boolean;
  /** PEM. */
  readonly ca?: string | undefined;
  /** ms */
  readonly timeout: number;
  readonly retries: number;
  readonly signal?: AbortSignal | undefined;
}
