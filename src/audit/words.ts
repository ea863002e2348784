// The words of the audit log.

/** What is done, as the log calls it. */
export const AUDITED = [
  'list',
  'show',
  'play',
  'export',
  'listen',
  'hold',
  'unhold',
  'label',
  'correct',
  'delete',
  'capture',
  'delete-capture',
  'retry',
  'delete-copy',
  'dn',
  'agent',
  'key',
  'reindex',
  'configuration',
  'call',
  'audit',
  'user',
  'token',
  'refused',
] as const;
export type Audited = (typeof AUDITED)[number];
