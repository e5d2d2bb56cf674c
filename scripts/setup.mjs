/**
 * Makes a fresh clone ready: `node scripts/setup.mjs start|test`. Installs only what is missing, says what it is doing
 * when that takes long, and takes a fraction of a second when nothing is missing. Ends with code 1 and exact instructions
 * when a person has to do something.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aptCommand, installAdvice, isInstalled, neededPackages, nodeProblem } from './setup/plan.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Something a person has to do; its message is all they need to see. */
class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * @param {string} name
 * @returns {boolean}
 */
function isOnPath(name) {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

/**
 * Run a long step with its output in the terminal.
 * @param {string} title
 * @param {string[]} command
 * @param {Record<string, string>} [env]
 * @returns {boolean} whether it succeeded
 */
function step(title, command, env = {}) {
  say(`${title}…`);
  const startedAt = Date.now();
  const [program = '', ...args] = command;
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  });
  const ok = result.status === 0;
  say(`${ok ? 'done' : 'failed'} after ${((Date.now() - startedAt) / 1000).toFixed(0)} s: ${title}`);
  return ok;
}

/** @param {string} file */
function readJson(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

function installDependencies() {
  const modules = join(root, 'node_modules');
  const wanted = readJson(join(root, 'package-lock.json'));
  if (isInstalled(wanted, readJson(join(modules, '.package-lock.json')))) return;
  if (existsSync(modules) && lstatSync(modules).isSymbolicLink()) {
    say('node_modules is a link and does not match package-lock.json; run npm ci where it points to.');
    return;
  }
  const ok = step('Installing the packages of package-lock.json', [
    'npm',
    'ci',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
  ]);
  if (!ok) throw new SetupError('npm ci failed; its reason is above. Is the npm registry reachable?');
}

/** @param {import('./setup/plan.mjs').Mode} mode */
function installSystemPackages(mode) {
  const needed = neededPackages(mode, { platform: process.platform, redisUrl: process.env['REDIS_URL'] });
  const missing = () => needed.filter((entry) => !entry.names.some(isOnPath));
  if (missing().length === 0) return;
  const apt = aptCommand({
    hasApt: process.platform === 'linux' && isOnPath('apt-get'),
    isRoot: process.getuid?.() === 0,
    hasSudo: isOnPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0,
  });
  if (apt === null) throw new SetupError(installAdvice(missing()));

  const names = missing().map((entry) => entry.apt);
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    step(`Installing ${names.join(', ')}`, [...apt, 'install', '-y', '-q', '--no-install-recommends', ...names], quiet);
  const update = () => step('Fetching the package lists', [...apt, 'update', '-q'], quiet);
  if (!hasPackageLists()) update();
  // Lists that are too old name packages the archive no longer has.
  if (!install()) {
    update();
    install();
  }
  if (missing().length > 0) throw new SetupError(installAdvice(missing()));
}

function hasPackageLists() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
  } catch {
    return false;
  }
}

/** The embedded database's own needs; see src/embedded/newer-loader.mjs. */
async function prepareDatabase() {
  if ((process.env['MONGODB_URI'] ?? '') !== '' || process.platform !== 'linux' || isOnPath('mongod')) return;
  const loader = await import('../src/embedded/newer-loader.mjs');
  if (loader.loaderCommand() !== null || !loader.needsNewerLoader(loader.glibcVersion())) return;
  await loader.prepareNewerLoader({ onProgress: say });
}

/** Build the page when its sources are not those of the last build. */
function buildPage() {
  if (!existsSync(join(root, 'console', 'vite.config.ts'))) return;
  const stamp = join(root, 'console', 'dist', '.sources');
  const sources = hashOf([
    ...filesBelow(join(root, 'console')),
    ...filesBelow(join(root, 'connectors', 'web')),
    join(root, 'package-lock.json'),
  ]);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return;
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const ok = step('Building the page', [process.execPath, vite, 'build', '--config', 'console/vite.config.ts']);
  if (!ok) throw new SetupError('The page could not be built; the reason is above.');
  writeFileSync(stamp, sources);
}

/**
 * @param {string} folder
 * @returns {string[]} in a fixed order, without what was built or installed
 */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .filter((name) => name !== 'dist' && name !== 'node_modules')
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? filesBelow(path) : [path];
    });
}

/** @param {string[]} files */
function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex');
}

/** @param {string | undefined} mode */
async function setup(mode) {
  const problem = nodeProblem(process.versions.node);
  if (problem !== null) throw new SetupError(problem);
  if (mode !== 'start' && mode !== 'test') throw new SetupError('Usage: node scripts/setup.mjs start|test');
  installSystemPackages(mode);
  installDependencies();
  await prepareDatabase();
  buildPage();
}

setup(process.argv[2]).catch((error) => {
  say(error instanceof Error && error.name !== 'Error' ? error.message : String(error));
  process.exitCode = 1;
});
