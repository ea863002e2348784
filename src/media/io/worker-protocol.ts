// What the media server and its relay workers tell each other, over the channel that fork(2) of Node opens: lists of commands one
// way, lists of reports the other, each in order.

import type { Law } from '../sound.ts';
import type { EngineCounters, LegProtection, LegState, Remote, TapChannel, TapEnd } from './engine.ts';
import type { Playback } from './player.ts';
import type { TonePlayback } from './tone.ts';

/** The engines that may be asked for, best first. */
export const ENGINES = ['io_uring', 'epoll', 'dgram'] as const;
export type EngineName = (typeof ENGINES)[number];

/** Legs and taps are numbered by the media server. */
export type Command =
  | { do: 'open'; leg: number; address: string; rtpPort: number }
  | { do: 'expect'; leg: number; remote: Remote }
  | { do: 'protect'; leg: number; protection: LegProtection | undefined }
  | { do: 'relay'; leg: number; peer: number | undefined }
  | { do: 'copy'; leg: number; tap: number | undefined; channel: TapChannel }
  | { do: 'copy-only'; leg: number; payloadTypes: readonly number[] | undefined }
  | { do: 'watch'; leg: number; codes: readonly string[]; payloadTypes: readonly number[] }
  | { do: 'block'; leg: number; payloadTypes: readonly number[] | undefined }
  | { do: 'play'; leg: number; playback: ToldPlayback | undefined }
  | { do: 'sound'; leg: number; tone: ToldTone | undefined }
  | { do: 'look'; leg: number }
  | { do: 'close'; leg: number }
  | { do: 'tap'; tap: number }
  /** The key in Base64. */
  | { do: 'drain-to'; tap: number; capture: string; key?: string }
  | { do: 'finish'; tap: number }
  | { do: 'end'; tap: number }
  | { do: 'count' }
  | { do: 'settle' };

/** A playback in a message: its sound in Base64. */
export type ToldPlayback = Omit<Playback, 'sound'> & { sound: { law: Law; bytes: string } };

/** A tone in a message: its sound by number, and in Base64 when the worker does not know it yet. */
export type ToldTone = Omit<TonePlayback, 'sound'> & { sound: { law: Law; number: number; bytes?: string } };

/** What a command is answered with; those that are not named are answered with nothing. */
export interface Answers {
  open: undefined;
  look: LegState | undefined;
  close: LegState | undefined;
  /** Undefined when the disk refuses: it is to be tried again, or the tap ended. */
  finish: TapEnd | undefined;
  end: TapEnd;
  count: EngineCounters;
  settle: undefined;
}

/** A command that wants an answer carries a number for it. */
export type Order = Command & { id?: number };

export interface WorkerSettings {
  engine: EngineName | 'auto';
  /** Engines that are not to be tried. */
  except: readonly EngineName[];
  flushIntervalMs: number;
  /** See clock.ts of the spool. */
  clockOrigin: number;
}

export type Report =
  | { tell: 'trying'; engine: EngineName }
  | { tell: 'ready'; engine: EngineName; reason: string }
  | { tell: 'unusable'; message: string; hint: string | undefined }
  | { tell: 'answer'; id: number; value: unknown }
  | { tell: 'refusal'; id: number; code: string; message: string; hint: string | undefined }
  | { tell: 'trouble'; tap: number; reason: string | undefined }
  | { tell: 'code'; leg: number; code: string };
