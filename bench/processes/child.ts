import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';

/** What a child can be asked to do: each takes and returns what JSON can hold. */
type Handlers = Record<string, (...args: never[]) => unknown>;

/** A process of the benchmark's own that runs what it is asked to. It ends with this process. */
export interface Child<H extends Handlers> extends AsyncDisposable {
  readonly pid: number;
  /** Everything it has written, at most the last 20,000 characters. */
  output(): string;
  /** @throws what the handler threw, in words, or that the process has ended */
  call<K extends keyof H & string>(name: K, ...args: Parameters<H[K]>): Promise<Awaited<ReturnType<H[K]>>>;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL when it has not ended after some seconds. */
  stop(): Promise<void>;
  /** Resolves when it has written these words. @throws when it ends, or `ms` pass, before that */
  says(words: string, ms: number): Promise<void>;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const OUTPUT_KEPT = 20_000;
const STOP_MS = 10_000;

/** Start `node <args>`. Its environment is `env` and nothing else. */
export function startChild<H extends Handlers>(args: string[], env: Record<string, string>): Child<H> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_KEPT);
    });
  }
  child.on('message', (message: { id: number; result?: unknown; error?: string }) => {
    const call = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) call?.resolve(message.result);
    else call?.reject(new Error(message.error));
  });
  child.once('close', () => {
    for (const call of waiting.values()) call.reject(new Error(`The process ended:\n${output}`));
    waiting.clear();
  });

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (isOver(child)) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const cut = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(cut);
  }

  return {
    pid: child.pid ?? 0,
    output: () => output,
    call: (name, ...callArgs) =>
      new Promise((resolve, reject) => {
        if (isOver(child)) throw new Error(`The process has ended:\n${output}`);
        const id = ++calls;
        waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
        child.send({ id, name, args: callArgs });
      }),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    says: (words, ms) => untilSaid(child, () => output, words, ms),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

/**
 * What stands for somebody else's machine goes before all others, where the system lets it (root's does): that it is late
 * because this machine is full must not count as the server's time.
 */
export function asIfElsewhere<C extends { pid: number }>(child: C): C {
  try {
    setPriority(child.pid, constants.priority.PRIORITY_HIGH);
  } catch {
    // Then its lateness counts.
  }
  return child;
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function untilSaid(child: ChildProcess, output: () => string, words: string, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (!output().includes(words)) return;
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => reject(new Error(`It did not say "${words}":\n${output()}`)), ms);
    child.stdout?.on('data', look);
    child.once('close', () => {
      clearTimeout(timer);
      reject(new Error(`The process ended before it said "${words}":\n${output()}`));
    });
    look();
  });
}
