// Types of the npm package `sip` 0.0.6, as far as grec uses it.
declare module 'sip' {
  /** Prints a message whose fields are shaped as in message.ts; sets headers['content-length'] from the length of `content`. */
  export function stringify(message: {
    method?: string;
    uri?: string;
    status?: number;
    reason?: string;
    /** 2.0 by default. */
    version?: string;
    headers: Record<string, unknown>;
    content?: string;
  }): string;
}
