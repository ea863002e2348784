// Flags that a controller passes on as its operator wrote them, in one text (ng key `rtpp-flags`): `replace-origin ICE=remove`.
// Newer Kamailios leave it to the media server to take them apart; older ones, and others, send keys and lists.
import type { BencodeDict, BencodeValue } from './bencode.ts';

/** More would only be an attack. */
const MOST_FLAGS = 256;
/** Flags whose rest is an entry of a list of that name. */
const LISTS = ['replace', 'rtcp-mux', 'SDES', 'T.38'] as const;
const PROTOCOL = /^(?:UDP\/TLS\/)?RTP\/S?AVPF?$/;
/** Interfaces by their old names, which need no key. */
const DIRECTIONS = new Set(['internal', 'external']);

/**
 * The same request with the keys and lists that its text of flags stands for; a key of its own goes before that of the text.
 * @returns the dictionary itself when it has no such text
 */
export function expandFlags(dict: BencodeDict): BencodeDict {
  const text = dict['rtpp-flags'];
  if (!Buffer.isBuffer(text)) return dict;
  const expanded: BencodeDict = Object.create(null);
  const append = (key: string, value: string) => {
    const list = expanded[key];
    const entry = Buffer.from(value, 'latin1');
    if (Array.isArray(list)) list.push(entry);
    else expanded[key] = [entry];
  };
  for (const flag of text.toString('latin1').split(/\s+/, MOST_FLAGS)) expand(flag, expanded, append);
  return Object.assign(Object.create(null), expanded, dict, joinFlags(expanded, dict));
}

function expand(flag: string, expanded: BencodeDict, append: (key: string, value: string) => void): void {
  if (flag === '') return;
  const [, key = '', value] = /^([^=]+)(?:=(.*))?$/.exec(flag) ?? [];
  if (value !== undefined && key === 'direction') append('direction', value);
  else if (value !== undefined) expanded[key] = Buffer.from(value, 'latin1');
  else if (DIRECTIONS.has(flag)) append('direction', flag);
  else if (PROTOCOL.test(flag)) expanded['transport protocol'] = Buffer.from(flag, 'latin1');
  else {
    const list = LISTS.find((name) => flag.startsWith(`${name}-`));
    if (list === undefined) append('flags', flag);
    else append(list, flag.slice(list.length + 1));
  }
}

/** Plain flags may stand in both. */
function joinFlags({ flags: own }: BencodeDict, { flags: given }: BencodeDict): { flags?: BencodeValue } {
  return Array.isArray(own) && Array.isArray(given) ? { flags: [...given, ...own] } : {};
}
