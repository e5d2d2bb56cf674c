import { expect, test } from 'vitest';
import { mirrorsIn, needsNewerLoader } from '../../src/embedded/newer-loader.mjs';

test.each([
  ['2.36', true],
  ['2.37', true],
  ['2.38', false],
  ['2.41', false],
  ['3.0', false],
  [null, false],
])('glibc %s needs the newer loader: %s', (glibc, needed) => {
  expect(needsNewerLoader(glibc)).toBe(needed);
});

test('mirrors of the main archive are found in both formats of sources', () => {
  const deb822 = `Types: deb
# URIs: http://commented.example/debian
URIs: http://mirror.example/debian/ https://two.example/pub/debian
Suites: bookworm

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security`;
  const oneLine = `deb [arch=amd64 signed-by=/k.gpg] http://three.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
# deb http://off.example/debian bookworm main
deb https://packages.example/apt stable main`;
  expect(mirrorsIn(deb822)).toEqual(['http://mirror.example/debian', 'https://two.example/pub/debian']);
  expect(mirrorsIn(oneLine)).toEqual(['http://three.example/debian']);
});
