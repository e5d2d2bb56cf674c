import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';

const docs = readFileSync(new URL('../../../docs/slack.md', import.meta.url), 'utf8');

function section(heading: string): string {
  const [, rest = ''] = docs.split(`\n## ${heading}\n`);
  return rest.split('\n## ')[0] ?? '';
}

/** What the section's commands export, with something in place of each `…`. */
function exported(text: string): Record<string, string> {
  const lines = [...text.matchAll(/^ *export (\w+)=(\S+)/gm)];
  return Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value.replace('…', 'what-was-copied')]));
}

describe('how docs/slack.md says to install', () => {
  it('ends with Claude, an admin and Socket Mode', () => {
    const { model, admins, slack } = loadConfig(exported(section('3. Start Deckhand with them')));
    expect(model).not.toBeNull();
    expect(admins).toEqual(['slack:U0123ABCD']);
    expect(slack?.mode).toBe('socket');
  });

  it('starts a gateway that answers signed requests before Slack is told its address', () => {
    const http = section('HTTP instead of Socket Mode');
    expect(loadConfig(exported(http)).slack?.mode).toBe('http');
    const order = ['**Basic Information → Signing Secret**', 'npm start', 'set the request URL'];
    const places = order.map((words) => http.indexOf(words));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });
});
