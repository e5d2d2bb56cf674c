import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The product as it is deployed, in JavaScript. */
export interface Compiled extends AsyncDisposable {
  /** For node. */
  main: string;
}

/** Compile it for this process: its hundreds of starts cost half of what the source's would. */
export async function compile(): Promise<Compiled> {
  const folder = `${ROOT}dist/soak-${process.pid}`;
  const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace('package.json', 'bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', folder], { cwd: ROOT });
  return {
    main: `${folder}/src/main.js`,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
