import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKS, type Violation } from './checker.ts';
import type { Evidence } from './evidence.ts';
import type { Plan } from './plan.ts';
import type { SoakResult } from './run.ts';

/** What was done, what of it was proved, and what was not, for a person. */
export function reportOf(
  plan: Plan,
  { evidence, faults, kills, seconds }: SoakResult,
  violations: Violation[],
): string {
  const { sessions, sent, traces, messages, lives } = evidence;
  const count = (what: (session: Evidence['sessions'][number]) => number) =>
    sessions.reduce((sum, session) => sum + what(session), 0);
  const calls = count(({ entries }) => entries.filter(({ event }) => event.type === 'agent.tool_use').length);
  return [
    `Soak of ${plan.sessions.length} sessions, seed ${plan.seed}: ${kills} kills in ${seconds} s, ${plan.mode} mode.`,
    '',
    ...table(Object.entries(faults).sort(([a], [b]) => a.localeCompare(b))),
    '',
    'Looked at:',
    ...table([
      ['sessions', sessions.length],
      ['events in their logs', count(({ entries }) => entries.length)],
      ['messages that people and programs sent', sent.length],
      ['tool calls', calls],
      ['lines and files that commands left', traces.reduce((sum, one) => sum + lengthOf(one), 0)],
      ['approvals', evidence.approvals.length],
      ['messages in Slack', messages.length],
      ['processes', lives.length],
    ]),
    '',
    ...Object.keys(CHECKS).map((rule) => {
      const found = violations.filter((violation) => violation.rule === rule);
      return [
        `${found.length === 0 ? 'ok    ' : 'BROKEN'} ${rule}`,
        ...found.map(({ what }) => `         ${what}`),
      ].join('\n');
    }),
  ].join('\n');
}

function lengthOf({ lines, edits }: Evidence['traces'][number]): number {
  return lines.length + Object.keys(edits).length;
}

function table(rows: [string, number][]): string[] {
  return rows.map(([what, times]) => `${String(times).padStart(7)}  ${what}`);
}

/** Everything that was gathered, for whoever looks for the reason. Returns the folder. */
export async function keepEvidence(plan: Plan, evidence: Evidence): Promise<string> {
  const folder = join('soak-evidence', String(plan.seed));
  await mkdir(folder, { recursive: true });
  // Each request holds its whole conversation, which is in the log.
  const { lives, model_requests: _requests, ...rest } = evidence;
  await writeFile(join(folder, 'plan.json'), JSON.stringify(plan, null, 1));
  await writeFile(join(folder, 'evidence.json'), JSON.stringify(rest, null, 1));
  for (const [index, { member, fate, end, output }] of lives.entries()) {
    const name = `${String(index + 1).padStart(3, '0')}-${member}.txt`;
    await writeFile(join(folder, name), `${fate ?? 'nobody'} ended it: ${end}\n${output}`);
  }
  return folder;
}
