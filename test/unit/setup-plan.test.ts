import { expect, test } from 'vitest';
import { aptCommand, installAdvice, isInstalled, neededPackages, nodeProblem } from '../../scripts/setup/plan.mjs';

test.each([
  ['20.19.0', true],
  ['20.20.2', true],
  ['22.1.0', true],
  ['20.18.3', false],
  ['18.20.0', false],
])('Node %s will do: %s', (version, ok) => {
  const problem = nodeProblem(version);
  expect(problem === null).toBe(ok);
  if (problem !== null) expect(problem).toContain(version);
});

const lock = {
  packages: {
    '': { version: '0.1.0' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/b-darwin': { version: '1.0.0', integrity: 'sha512-b', optional: true },
  },
};

test('an install is current when npm recorded what the lock file asks for, other platforms aside', () => {
  const a = { version: '1.0.0', integrity: 'sha512-a' };
  expect(isInstalled(lock, { packages: { 'node_modules/a': a } })).toBe(true);
  expect(isInstalled(lock, null)).toBe(false);
  expect(isInstalled(lock, { packages: {} })).toBe(false);
  expect(isInstalled(lock, { packages: { 'node_modules/a': { ...a, version: '1.0.1' } } })).toBe(false);
  expect(isInstalled(lock, { packages: { 'node_modules/a': { ...a, integrity: 'sha512-x' } } })).toBe(false);
  expect(isInstalled(lock, { packages: { 'node_modules/a': a, 'node_modules/gone': a } })).toBe(false);
});

test('each mode asks for its own programs only', () => {
  const programs = (mode: 'start' | 'test', platform: string, redisUrl?: string) =>
    neededPackages(mode, { platform, redisUrl }).map((entry) => entry.program);
  expect(programs('start', 'linux')).toEqual(['redis-server', 'bwrap']);
  expect(programs('start', 'linux', 'redis://r')).toEqual(['bwrap']);
  expect(programs('test', 'linux', '')).toEqual(['redis-server', 'bwrap', 'chromium']);
  expect(programs('start', 'darwin')).toEqual(['redis-server']);
});

test('apt is used only where it needs no password', () => {
  expect(aptCommand({ hasApt: true, isRoot: true, hasSudo: false })).toEqual(['apt-get']);
  expect(aptCommand({ hasApt: true, isRoot: false, hasSudo: true })).toEqual(['sudo', '-n', 'apt-get']);
  expect(aptCommand({ hasApt: true, isRoot: false, hasSudo: false })).toBeNull();
  expect(aptCommand({ hasApt: false, isRoot: true, hasSudo: true })).toBeNull();
});

test('the advice has one exact command for each system', () => {
  const advice = installAdvice(neededPackages('test', { platform: 'linux', redisUrl: undefined }));
  expect(advice).toContain('sudo apt-get install redis-server bubblewrap chromium');
  expect(advice).toContain('sudo dnf install valkey bubblewrap chromium');
  expect(advice).toContain('brew install redis chromium');
  expect(advice).toContain('REDIS_URL');
});
