/**
 * What a machine still needs before Deckhand runs: decisions only, no effects. Plain JavaScript without dependencies,
 * because it runs before anything is installed.
 */

/** @typedef {'start' | 'test'} Mode */
/** @typedef {{ program: string, names: string[], apt: string, dnf: string, brew: string | null, why: string }} SystemPackage */
/** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockEntry */
/** @typedef {{ packages?: Record<string, LockEntry> }} Lock */

/** The first release of Node 20 that loads ECMAScript modules with `require`. */
const LEAST_NODE = [20, 19];

/**
 * @param {string} version as process.versions.node
 * @returns {string | null} what to tell the person, or null when it will do
 */
export function nodeProblem(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = LEAST_NODE;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return null;
  return `Deckhand needs Node ${LEAST_NODE.join('.')} or later; this is ${version}. Install a current one from https://nodejs.org.`;
}

/**
 * Whether what npm last installed is what the lock file asks for.
 * @param {Lock} wanted package-lock.json
 * @param {Lock | null} installed node_modules/.package-lock.json, npm's own record; null when there is none
 * @returns {boolean}
 */
export function isInstalled(wanted, installed) {
  if (installed?.packages === undefined) return false;
  const have = installed.packages;
  for (const [path, entry] of Object.entries(wanted.packages ?? {})) {
    if (path === '') continue;
    const found = have[path];
    // Optional packages of other platforms are never installed.
    if (found === undefined && entry.optional === true) continue;
    if (found === undefined || found.version !== entry.version || found.integrity !== entry.integrity) return false;
  }
  return Object.keys(have).every((path) => wanted.packages?.[path] !== undefined);
}

/**
 * System programs this mode uses on this platform.
 * @param {Mode} mode
 * @param {{ platform: string, redisUrl: string | undefined }} host
 * @returns {SystemPackage[]}
 */
export function neededPackages(mode, { platform, redisUrl }) {
  /** @type {SystemPackage[]} */
  const needed = [];
  if (redisUrl === undefined || redisUrl === '') {
    needed.push({
      program: 'redis-server',
      names: ['redis-server', 'valkey-server'],
      apt: 'redis-server',
      dnf: 'valkey',
      brew: 'redis',
      why: 'the turn queue',
    });
  }
  if (platform === 'linux') {
    needed.push({
      program: 'bwrap',
      names: ['bwrap'],
      apt: 'bubblewrap',
      dnf: 'bubblewrap',
      brew: null,
      why: 'the sandbox',
    });
  }
  if (mode === 'test') {
    needed.push({
      program: 'chromium',
      names: ['chromium'],
      apt: 'chromium',
      dnf: 'chromium',
      brew: 'chromium',
      why: 'the tests of the page',
    });
  }
  return needed;
}

/**
 * How packages can be installed here without asking for a password.
 * @param {{ hasApt: boolean, isRoot: boolean, hasSudo: boolean }} host hasSudo: `sudo -n` works
 * @returns {string[] | null} the words before `apt-get`'s arguments, or null when a person must do it
 */
export function aptCommand({ hasApt, isRoot, hasSudo }) {
  if (!hasApt) return null;
  if (isRoot) return ['apt-get'];
  return hasSudo ? ['sudo', '-n', 'apt-get'] : null;
}

/**
 * What to say when a person must install something.
 * @param {SystemPackage[]} missing
 * @returns {string}
 */
export function installAdvice(missing) {
  const brew = missing.flatMap((entry) => entry.brew ?? []);
  return [
    'Deckhand needs programs that are not installed here and that it may not install:',
    ...missing.map((entry) => `  ${entry.program} (${entry.why})`),
    'Install them, then run the same command again:',
    `  Debian, Ubuntu:  sudo apt-get install ${missing.map((entry) => entry.apt).join(' ')}`,
    `  Fedora:          sudo dnf install ${missing.map((entry) => entry.dnf).join(' ')}`,
    brew.length > 0
      ? `  macOS:           brew install ${brew.join(' ')}`
      : '  macOS:           nothing to install; this program exists on Linux only',
    ...(missing.some((entry) => entry.program === 'redis-server')
      ? ['Or set REDIS_URL to a Redis of yours; then none is needed here.']
      : []),
  ].join('\n');
}
