/**
 * A newer C library for one program, where the system's own is too old.
 *
 * The embedded database engine needs glibc 2.38 or later. On an older Debian or Ubuntu, Debian 13's C library is unpacked
 * into the user's cache, and the engine's process alone is started with its loader; the system stays as it is.
 * The packages come through the system's own apt (its mirror, proxy and archive keys), with a sources list and a state
 * of this call only. Plain JavaScript, because scripts/setup.mjs runs it before anything is installed.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The engine's binary refers to symbols of this version. */
const NEEDED_GLIBC = [2, 38];
const SUITE = 'trixie';
const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6'];
const DEFAULT_MIRROR = 'http://deb.debian.org/debian';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const KEYRING_REMEDY = 'Install the package debian-archive-keyring and try again. Or: ';
/** The archive's index and three packages are 14 MB; a mirror that cannot send them in this time is down. */
const APT_TIMEOUT_MS = 180_000;

const ARCHITECTURES = {
  x64: { debian: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { debian: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

export class NewerLoaderError extends Error {
  /**
   * @param {string} message
   * @param {unknown} [cause]
   */
  constructor(message, cause) {
    super(message, { cause });
    this.name = 'NewerLoaderError';
  }
}

/**
 * The glibc this process runs on, as in `2.36`; null on musl and on other systems.
 * @returns {string | null}
 */
export function glibcVersion() {
  if (process.platform !== 'linux' || process.report === undefined) return null;
  // Without this the report resolves the peers of open sockets, which can take seconds.
  Object.assign(process.report, { excludeNetwork: true });
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return report.header?.glibcVersionRuntime ?? null;
}

/**
 * @param {string | null} glibc as glibcVersion() answers
 * @returns {boolean} true when the engine's process needs the newer loader
 */
export function needsNewerLoader(glibc) {
  if (glibc === null) return false;
  const [major = 0, minor = 0] = glibc.split('.').map(Number);
  const [neededMajor = 0, neededMinor = 0] = NEEDED_GLIBC;
  return major < neededMajor || (major === neededMajor && minor < neededMinor);
}

/**
 * Where the unpacked library lives: one per user, shared by every clone.
 * @returns {string}
 */
export function loaderDir() {
  return join(homedir(), '.cache', 'deckhand', `glibc-debian-${SUITE}-${process.arch}`);
}

/**
 * The words to put before `node` so that it runs on the newer library, or null when it is not there yet.
 * @param {string} [dir]
 * @returns {string[] | null}
 */
export function loaderCommand(dir = loaderDir()) {
  const architecture = architectureOf(process.arch);
  if (architecture === null) return null;
  const libraries = join(dir, 'usr', 'lib', architecture.triplet);
  const loader = join(libraries, architecture.loader);
  return existsSync(loader) ? [loader, '--library-path', libraries] : null;
}

/**
 * Make the newer library ready and return the words to put before `node`. Safe to call from several processes at once:
 * each unpacks into a folder of its own and the first rename wins.
 * @param {{ dir?: string, onProgress?: (line: string) => void }} [options]
 * @returns {Promise<string[]>}
 * @throws {NewerLoaderError} with the remedy in its message
 */
export async function prepareNewerLoader({ dir = loaderDir(), onProgress = () => {} } = {}) {
  const ready = loaderCommand(dir);
  if (ready !== null) return ready;
  const architecture = architectureOf(process.arch);
  if (architecture === null) throw new NewerLoaderError(withRemedy(`there is no engine for ${process.arch}`));

  const parent = join(dir, '..');
  await mkdir(parent, { recursive: true });
  const work = await mkdtemp(`${dir}.partial-`);
  try {
    await downloadPackages(work, architecture.debian, onProgress);
    const root = join(work, 'root');
    for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg', ['-x', join(work, file), root]);
    }
    await rename(root, dir).catch((error) => {
      // Somebody else finished first: theirs is as good.
      if (loaderCommand(dir) === null) throw error;
    });
  } catch (error) {
    if (error instanceof NewerLoaderError) throw error;
    throw new NewerLoaderError(withRemedy(lastLine(error)), error);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const command = loaderCommand(dir);
  if (command === null) throw new NewerLoaderError(withRemedy(`${dir} holds no loader after unpacking`));
  return command;
}

/**
 * @param {string} work
 * @param {string} architecture Debian's name for it
 * @param {(line: string) => void} onProgress
 */
async function downloadPackages(work, architecture, onProgress) {
  if (!existsSync('/usr/bin/apt-get'))
    throw new NewerLoaderError(withRemedy('this system has no apt to fetch it with'));
  /** @type {unknown} */
  let failure;
  for (const mirror of await debianMirrors()) {
    onProgress(`Fetching Debian 13's C library for the embedded database from ${mirror} (14 MB, once per user)…`);
    try {
      const apt = await aptArguments(work, mirror, architecture);
      await run('apt-get', [...apt, 'update'], { timeout: APT_TIMEOUT_MS });
      const packages = PACKAGES.map((name) => `${name}:${architecture}`);
      await run('apt-get', [...apt, 'download', ...packages], { cwd: work, timeout: APT_TIMEOUT_MS });
      return;
    } catch (error) {
      failure = error;
    }
  }
  if (!existsSync(KEYRING))
    throw new NewerLoaderError(withRemedy(`apt cannot check Debian's signatures`, KEYRING_REMEDY), failure);
  throw failure;
}

/**
 * Options that keep one apt call away from the system's lists, cache and sources. Signatures are checked as always.
 * @param {string} work
 * @param {string} mirror
 * @param {string} architecture
 */
async function aptArguments(work, mirror, architecture) {
  const sources = join(work, 'deckhand.sources');
  const lines = [
    'Types: deb',
    `URIs: ${mirror}`,
    `Suites: ${SUITE}`,
    'Components: main',
    `Architectures: ${architecture}`,
  ];
  if (existsSync(KEYRING)) lines.push(`Signed-By: ${KEYRING}`);
  await writeFile(sources, `${lines.join('\n')}\n`);
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    await mkdir(join(work, folder), { recursive: true });
  const options = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(work, 'cache'),
    'APT::Get::List-Cleanup': '0',
    // An update that could not read its index ends with 0 and a warning otherwise.
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'APT::Sandbox::User': '',
  };
  return ['-q', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

/**
 * Mirrors of Debian's main archive this system already uses, then Debian's own.
 * @returns {Promise<string[]>}
 */
async function debianMirrors() {
  const files = ['/etc/apt/sources.list'];
  const parts = '/etc/apt/sources.list.d';
  for (const name of await readdir(parts).catch(() => [])) {
    if (name.endsWith('.list') || name.endsWith('.sources')) files.push(join(parts, name));
  }
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return [...new Set([...texts.flatMap(mirrorsIn), DEFAULT_MIRROR])];
}

/**
 * Addresses of a Debian main archive in an apt sources file of either format: those that end in `/debian`.
 * Security, backports-only and other vendors' archives do not carry the suite.
 * @param {string} text
 * @returns {string[]}
 */
export function mirrorsIn(text) {
  /** @type {string[]} */
  const found = [];
  for (const line of text.split('\n')) {
    if (!/^\s*(deb|URIs:)\s/.test(line)) continue;
    for (const word of line.split(/\s+/)) {
      const address = word.replace(/\/+$/, '');
      if (/^(https?|mirror\+https?):\/\/\S+\/debian$/.test(address)) found.push(address);
    }
  }
  return [...new Set(found)];
}

/** @param {string} name as process.arch says */
function architectureOf(name) {
  return name === 'x64' || name === 'arm64' ? ARCHITECTURES[name] : null;
}

/**
 * @param {string} reason
 * @param {string} [first] what to try before anything else
 */
function withRemedy(reason, first = '') {
  return (
    `The embedded database needs glibc ${NEEDED_GLIBC.join('.')} or later, and a newer one could not be prepared: ${reason}. ` +
    `${first}Set MONGODB_URI to a MongoDB of yours, or put mongod on the PATH.`
  );
}

/** @param {unknown} error */
function lastLine(error) {
  const stderr = /** @type {{ stderr?: string }} */ (error).stderr;
  const text =
    stderr !== undefined && stderr.trim() !== '' ? stderr : error instanceof Error ? error.message : String(error);
  const lines = text.trim().split('\n');
  return lines.findLast((line) => line.startsWith('E:')) ?? lines.at(-1) ?? text;
}
