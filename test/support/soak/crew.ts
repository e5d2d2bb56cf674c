import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HouseProcess, startHouseProcess } from '../house-process.ts';
import { MEMBERS, type Member } from './plan.ts';

/** How long a silent member keeps what it holds; a frozen one is silent for longer (plan.ts). */
export const LEASE_MS = 1_000;

/** Starts in a row that may fail, each after up to 30 s of looking for MongoDB. */
const MAX_STARTS = 5;

const SKEWED_CLOCK = fileURLToPath(new URL('../../fixtures/skewed-clock.cjs', import.meta.url));

/** One life of a member, from its start to its end. */
export interface Life {
  member: Member;
  pid: number;
  /** What it was told to die of; null: nothing, so that an end is one of its own. */
  fate: 'killed' | 'restarted' | 'stopped' | null;
  /** When it was told, and when it had ended, in milliseconds since the epoch; null: not yet. */
  told_at: number | null;
  ended_at: number | null;
  /** Exit code or signal; null while it runs. */
  end: number | string | null;
  output: string;
}

export interface CrewOptions {
  /** The environment of the n-th life, as far as it is not its member's. */
  env: (life: number) => Record<string, string>;
  /** What node runs. */
  program: readonly string[];
  data_dir: string;
  skew_ms: Record<Member, number>;
  /** Told when a gateway can be spoken to, and when it cannot any more. */
  onGateway(member: Member, url: string | null): void;
}

/** Four real processes, each started again after whatever end it came to. */
export interface Crew extends AsyncDisposable {
  lives: Life[];
  /** SIGKILL, as soon as it is up and, unless `alone`, its double too; it comes back by itself. */
  kill(member: Member, options: { alone: boolean }): Promise<void>;
  /** SIGTERM; it comes back by itself. */
  restart(member: Member): Promise<void>;
  /** SIGSTOP for `ms`, without waiting for the end of it. */
  freeze(member: Member, ms: number): Promise<void>;
  /** A gateway is up, and not frozen. */
  reachable(): Promise<unknown>;
  /** All are up, and none is frozen. */
  ready(): Promise<void>;
  /** SIGTERM to all, for good. */
  stop(): Promise<void>;
  /** The folders under which the workers keep the files of sessions. */
  disks: string[];
}

interface Post {
  process: HouseProcess | null;
  life: Life | null;
  up: Promise<HouseProcess>;
  /** Ends of freezes under way. */
  thaw: Promise<void>;
}

export async function startCrew(options: CrewOptions): Promise<Crew> {
  const lives: Life[] = [];
  const posts = new Map<Member, Post>();
  let over = false;

  /** Its own, as if it were a machine of its own. */
  const folder = (member: Member): string => join(options.data_dir, member);

  function environment(member: Member): Record<string, string> {
    const skew = options.skew_ms[member];
    return {
      ...options.env(lives.length),
      DECKHAND_DATA_DIR: folder(member),
      ...(skew === 0 ? {} : { SKEW_MS: String(skew), NODE_OPTIONS: `--require=${SKEWED_CLOCK}` }),
    };
  }

  /** One life after another, until the end of the soak. */
  async function begin(member: Member, post: Post): Promise<HouseProcess> {
    for (let attempt = 1; ; attempt++) {
      const life: Life = { member, pid: 0, fate: null, told_at: null, ended_at: null, end: null, output: '' };
      lives.push(life);
      try {
        const process = await startHouseProcess(roleOf(member), environment(member), options.program);
        life.pid = process.pid;
        Object.assign(post, { process, life });
        if (process.url !== '') options.onGateway(member, process.url);
        void process.ended.then((end) => {
          Object.assign(life, { end, ended_at: Date.now(), output: process.output() });
          post.process = null;
          if (process.url !== '') options.onGateway(member, null);
          if (over) return;
          post.up = begin(member, post);
          // Whoever needs it meets the error.
          post.up.catch(() => undefined);
        });
        return process;
      } catch (error) {
        // Its services are away: whoever looks after processes starts it again, as this does.
        Object.assign(life, { end: 'not started', output: error instanceof Error ? error.message : String(error) });
        if (over || attempt === MAX_STARTS) throw error;
      }
    }
  }

  async function up(member: Member): Promise<{ post: Post; process: HouseProcess }> {
    const post = posts.get(member);
    if (post === undefined) throw new Error(`There is no ${member}`);
    for (;;) {
      await post.thaw;
      const process = await post.up;
      if (post.process === process) return { post, process };
    }
  }

  function doom(post: Post, fate: Life['fate']): void {
    if (post.life === null || post.life.fate !== null) return;
    Object.assign(post.life, { fate, told_at: Date.now() });
  }

  for (const member of MEMBERS) {
    const post: Post = { process: null, life: null, up: new Promise(() => undefined), thaw: Promise.resolve() };
    posts.set(member, post);
    post.up = begin(member, post);
    post.up.catch(() => undefined);
  }

  const crew: Crew = {
    lives,
    disks: (['worker-1', 'worker-2'] as const).map((member) => join(folder(member), 'sandboxes')),
    async kill(member, { alone }) {
      if (!alone) await up(doubleOf(member));
      const { post, process } = await up(member);
      doom(post, 'killed');
      await process.kill();
      await process.ended;
    },
    async restart(member) {
      const { post, process } = await up(member);
      doom(post, 'restarted');
      await process.stop();
      await process.ended;
    },
    async freeze(member, ms) {
      const { post, process: victim } = await up(member);
      process.kill(victim.pid, 'SIGSTOP');
      post.thaw = new Promise((resolve) => {
        setTimeout(() => {
          // Nothing but this crew ends it, and not while it is frozen: the number is still its own.
          process.kill(victim.pid, 'SIGCONT');
          resolve();
        }, ms);
      });
    },
    reachable: () => Promise.race([up('gateway-1'), up('gateway-2')]),
    async ready() {
      await Promise.all(MEMBERS.map((member) => up(member)));
    },
    async stop() {
      const all = await Promise.all(MEMBERS.map((member) => up(member)));
      over = true;
      for (const { post } of all) doom(post, 'stopped');
      await Promise.all(all.map(({ process }) => process.stop()));
      await Promise.all(all.map(({ process }) => process.ended));
    },
    async [Symbol.asyncDispose]() {
      over = true;
      for (const post of posts.values()) {
        await post.thaw;
        const process = await post.up.catch(() => null);
        doom(post, 'killed');
        await process?.kill();
        await process?.ended;
      }
    },
  };
  try {
    await crew.ready();
  } catch (error) {
    await crew[Symbol.asyncDispose]();
    throw error;
  }
  return crew;
}

function roleOf(member: Member): 'gateway' | 'worker' {
  return member.startsWith('gateway') ? 'gateway' : 'worker';
}

function doubleOf(member: Member): Member {
  const [role, number] = member.split('-');
  return `${role}-${number === '1' ? 2 : 1}` as Member;
}
