// The end of `grec demo`: the recording, its waveform, the verdict, and the commands to go on with.
import type { Metadata } from '../archive/metadata.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { type CliContext, quote } from './context.ts';
import type { Check } from './demo-proof.ts';
import type { DemoState } from './demo-state.ts';
import type { Story } from './demo-story.ts';
import { EXIT } from './exit-codes.ts';
import { shortId, showRow } from './ls.ts';
import { byteSize, clockDuration, localTime, renderPairs } from './table.ts';
import { renderWaveform } from './waveform.ts';

/** The finished recording, and what was proved of it. */
export interface DemoResult {
  row: RecordingRow;
  audio: string;
  metadata: Metadata;
  checks: Check[];
}

const WIDEST_WAVEFORM = 80;

/** @returns the exit status: 0 when every check held */
export function report(context: CliContext, story: Story, state: DemoState, result: DemoResult): number {
  const isProven = result.checks.every(({ ok }) => ok);
  if (context.json) printJson(context, story, state, result);
  else {
    context.print('', ...describe(context, result), '', ...verdict(context, result.checks), '');
    context.print(...nextCommands(context, state, result));
  }
  if (!isProven) context.note('', ...failures(result.checks, state));
  return isProven ? EXIT.ok : EXIT.failure;
}

function printJson(context: CliContext, story: Story, state: DemoState, result: DemoResult): void {
  const { row, audio, metadata, checks } = result;
  context.printJson({
    ok: checks.every(({ ok }) => ok),
    recording: showRow(row),
    parties: metadata.parties,
    file: audio,
    steps: story.steps,
    checks,
    stateDirectory: state.directory,
    config: state.configFile,
    log: state.logFile,
  });
}

function describe(context: CliContext, { row, audio, metadata }: DemoResult): string[] {
  const parties = metadata.parties.map(({ channel, role, number, name }) => {
    return `${number} ${name ?? ''} (${role}, ${channel === 0 ? 'left' : 'right'})`;
  });
  return [
    context.paint('bold', `Recording ${row.id}`),
    ...renderPairs([
      ['parties', parties.join(' and ')],
      ['start', `${localTime(row.startTime)} (${new Date(row.startTime).toISOString()})`],
      ['duration', `${clockDuration(row.duration)} (${(row.duration / 1000).toFixed(2)} s)`],
    ]),
    // On a line of its own, so that it can be taken whole on a narrow terminal.
    `file      ${byteSize(row.size)}`,
    `  ${audio}`,
    '',
    ...renderWaveform(audio, {
      columns: Math.min(context.columns, WIDEST_WAVEFORM),
      paint: (channel, band) => context.paint(channel === 0 ? 'cyan' : 'yellow', band),
    }),
  ];
}

function verdict(context: CliContext, checks: Check[]): string[] {
  return checks.map(({ name, ok }) => {
    return `  ${ok ? context.paint('green', 'ok    ') : context.paint('red', 'FAILED')}  ${name}`;
  });
}

function failures(checks: Check[], { directory, logFile }: DemoState): string[] {
  const failed = checks.filter(({ ok }) => !ok);
  return [
    'grec: the recording is not what the phones sent, or the call was not as it should be:',
    ...failed.map(({ name, detail }) => `  ${name}: ${detail}`),
    `  the daemons' log: ${logFile}; all of the state: ${directory}`,
  ];
}

function nextCommands(
  context: CliContext,
  { directory, configFile }: DemoState,
  { row }: DemoResult,
): string[] {
  const grec = `${context.program} --config ${quote(configFile)}`;
  const id = shortId(row.id);
  return [
    'To go on (the daemons of the demonstration have stopped; its recording stays):',
    `  ${grec} ls`,
    `  ${grec} show ${id}`,
    `  ${grec} play ${id}`,
    `  ${grec} export ${id} -o call.wav`,
    'To remove it:',
    `  rm -r ${quote(directory)}`,
  ];
}
