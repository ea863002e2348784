// WebVTT (W3C), as far as transcripts need it: cues with times, the voice of each, and text without markup.
import type { Passage } from './transcriber.ts';

/** What is spoken by whom. */
export interface Cue extends Passage {
  /** Of its `<v …>` tag. */
  voice?: string | undefined;
}

const TIME = '(?:(\\d{2,}):)?([0-5]\\d):([0-5]\\d)[.,](\\d{3})';
const TIMES = new RegExp(`^${TIME}[ \\t]+-->[ \\t]+${TIME}(?:[ \\t]|$)`);
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', nbsp: ' ', lrm: '', rlm: '' };

/** The cues of a file, in its order; undefined when it is no WebVTT. */
export function parseWebVtt(text: string): Cue[] | undefined {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  if (!/^WEBVTT(?:[ \t]|$)/.test(lines[0] ?? '')) return undefined;
  const cues: Cue[] = [];
  for (let at = 1; at < lines.length; at++) {
    const span = spanOf(lines[at] ?? '');
    if (span === undefined) continue;
    const said: string[] = [];
    while (lines[at + 1]) said.push(lines[++at] ?? '');
    const payload = said.join(' ');
    const voice = /^<v(?:\.[^ \t>]*)?[ \t]+([^>]*)>/.exec(payload)?.[1];
    const spoken = clear(payload);
    if (spoken !== '') cues.push({ ...span, text: spoken, words: [], ...(voice && { voice: voice.trim() }) });
  }
  return cues;
}

function spanOf(line: string): { from: number; to: number } | undefined {
  const found = TIMES.exec(line);
  if (found === null) return undefined;
  const [from, to] = [msOf(found.slice(1, 5)), msOf(found.slice(5, 9))];
  return from <= to && Number.isSafeInteger(to) ? { from, to } : undefined;
}

function msOf([hours = '0', minutes, seconds, ms]: (string | undefined)[]): number {
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(ms);
}

function clear(payload: string): string {
  return withoutTags(payload)
    .replaceAll(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole)
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** In one pass, however many brackets are never closed. */
function withoutTags(payload: string): string {
  const [first = '', ...others] = payload.split('<');
  const rest = others.map((part) => {
    const end = part.indexOf('>');
    return end < 0 ? `<${part}` : part.slice(end + 1);
  });
  return first + rest.join('');
}

/** @param note stands at its beginning: what made it */
export function printWebVtt(cues: readonly Cue[], note?: string): string {
  const blocks = cues.map(({ from, to, voice, text }) => {
    const said = escaped(text.replaceAll(/\s+/g, ' ').trim());
    const spoken = voice === undefined ? said : `<v ${escaped(voice.replaceAll(/[\r\n>]/g, ' '))}>${said}`;
    return `${timeOf(from)} --> ${timeOf(to)}\n${spoken}\n`;
  });
  const told = note === undefined ? [] : [`NOTE ${note.replaceAll(/\s+|-->/g, ' ')}\n`];
  return ['WEBVTT\n', ...told, ...blocks].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function timeOf(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const rest = String(Math.floor(ms) % 1000).padStart(3, '0');
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${rest}`;
}
