// Names of recordings' audio files: the template of a DN's `recording-filename`, and the name it makes. Pure.

/** What a template may name. Words are Genesys's where it has one; their case does not matter. */
export interface NameValues {
  /** Of the recording. */
  id: string;
  /** Of the call. */
  uuid: string;
  sessionId: string;
  /** The caller's number. */
  ani: string;
  /** The number that was dialled. */
  dnis: string;
  /** The recorded DN. */
  dn: string | undefined;
  agentId: string | undefined;
  direction: string;
  /** When the recording was ordered, milliseconds since 1970. */
  at: number;
}

const LONGEST_TEMPLATE = 128;
/** Bytes: file systems take 255, and an ending must fit behind it. */
const LONGEST_NAME = 200;
const LONGEST_VALUE = 64;
const VARIABLE = /\$([A-Za-z]+)\$/g;
/** Stands for a value that the call does not have. */
const NONE = 'none';

const VARIABLES: Record<string, (values: NameValues) => string | undefined> = {
  id: ({ id }) => id,
  uuid: ({ uuid }) => uuid,
  sessionid: ({ sessionId }) => sessionId,
  ani: ({ ani }) => ani,
  dnis: ({ dnis }) => dnis,
  dn: ({ dn }) => dn,
  agentdn: ({ dn }) => dn,
  agentid: ({ agentId }) => agentId,
  direction: ({ direction }) => direction,
  date: ({ at }) => iso(at).slice(0, 10),
  time: ({ at }) => iso(at).slice(11, 19).replaceAll(':', '-'),
  mcpdatetime: ({ at }) => iso(at).slice(0, 23).replace('T', '_').replaceAll(/[:.]/g, '-'),
};

/** As manual and messages write them. */
export const NAME_VARIABLES =
  '$id$ $uuid$ $sessionId$ $ani$ $dnis$ $DN$ $agentDN$ $agentId$ $direction$ $date$ $time$ $MCPDateTime$';

/** Why a text is no template of a file name, or undefined when it is one. */
export function nameTemplateProblem(template: string): string | undefined {
  if (template === '' || template.length > LONGEST_TEMPLATE)
    return `expected a name of 1 to ${LONGEST_TEMPLATE} characters`;
  if (/[/\\:*?"<>|]|[\p{C}\p{Zl}\p{Zp}]/u.test(template))
    return 'expected a name, without directories and without : * ? " < > |';
  if (/^[.\s-]/.test(template)) return 'expected a name that does not begin with ".", "-" or a space';
  const unknown = [...template.matchAll(VARIABLE)].find(
    ([, name = '']) => !Object.hasOwn(VARIABLES, name.toLowerCase()),
  );
  if (unknown !== undefined) return `${unknown[0]} is no variable; there are: ${NAME_VARIABLES}`;
  if (template.replaceAll(VARIABLE, '').includes('$'))
    return `expected every $ to belong to a variable: ${NAME_VARIABLES}`;
  return undefined;
}

/**
 * The name that a template makes of a recording, without an ending: one part of a path, and no other recording's. Where the
 * template does not name the recording, the end of its id is added.
 * @param template one of which {@link nameTemplateProblem} has nothing to say
 */
export function recordingName(template: string, values: NameValues): string {
  const expanded = template.replaceAll(VARIABLE, (_, name: string) => {
    return harmless(VARIABLES[name.toLowerCase()]?.(values) || NONE);
  });
  const isUnique = /\$id\$/i.test(template) && Buffer.byteLength(expanded) <= LONGEST_NAME;
  const ending = isUnique ? '' : `-${values.id.slice(-8)}`;
  return `${cut(expanded, LONGEST_NAME - ending.length)}${ending}`.replace(/^[.\s-]/, '_');
}

/** Whether a name that was read from a file is one that {@link recordingName} may have made. */
export function isRecordingName(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > LONGEST_NAME) return false;
  return !/[/\\:*?"<>|]|[\p{C}\p{Zl}\p{Zp}]|^[.\s-]/u.test(name);
}

/** Numbers come from the network. */
function harmless(value: string): string {
  return value.replaceAll(/[^\w+@.-]/g, '_').slice(0, LONGEST_VALUE);
}

function cut(text: string, bytes: number): string {
  let end = text.length;
  while (Buffer.byteLength(text.slice(0, end)) > bytes) end -= 1;
  // Not half of a character that takes two places.
  return text.slice(0, end).replace(/[\ud800-\udbff]$/, '');
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
