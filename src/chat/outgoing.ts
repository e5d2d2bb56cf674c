import type { Mention, Person } from './place.ts';

/** An answer of a session: its event. */
export interface Answer {
  session_id: string;
  event_id: string;
}

/** For whom something is that grows: some platforms show only one person how it does. */
export interface Audience {
  /** Whoever spoke last, by the platform's id. */
  to: string;
  /** Others have spoken in the conversation, too. */
  several: boolean;
}

/** What leaves. Everything carries the id of its delivery, which the platform must keep with the message. */
export type Outgoing =
  | {
      kind: 'text';
      delivery_id: string;
      /** Within `limits.text` characters of markdown. */
      markdown: string;
      /** More of this same message is coming: stream it where the platform can. The last edit has `live: false`. */
      live: boolean;
      /** It is the answer of a run, or the end of it: ask what people think of it, where the platform can. */
      answer?: Answer;
      /** While it is live, where the platform asks. */
      audience?: Audience;
      agent_name: string;
    }
  | {
      kind: 'notice';
      delivery_id: string;
      level: 'info' | 'error';
      markdown: string;
      /** Whom it calls, behind the text: by a mention where the platform has one, else by name. */
      called?: Called[];
      agent_name: string;
    }
  | { kind: 'approval'; delivery_id: string; card: ApprovalCard; agent_name: string }
  | { kind: 'activity'; delivery_id: string; activity: ToolActivity; agent_name: string }
  | {
      kind: 'file';
      delivery_id: string;
      /** `answer.md`. */
      name: string;
      /** Text, to be encoded as UTF-8; or a file of the session, whose bytes the receiver gives (`Receiver.file`). */
      content: string | StoredFile;
      /** What it is, in a sentence. */
      markdown: string;
      agent_name: string;
    }
  | {
      kind: 'plan';
      delivery_id: string;
      /** At most `limits.plan_size`. */
      calls: PlannedCall[];
      /** More of this is coming soon: stream it where the platform can. */
      live: boolean;
      /** Their run is over. */
      over: boolean;
      /** As of a text. */
      audience?: Audience;
      agent_name: string;
    };

/** A file that the house keeps. */
export interface StoredFile {
  file_id: string;
  mime_type: string;
  size_bytes: number;
}

/** Somebody or somewhere by name; `mention` on this platform. */
export interface Called {
  name: string;
  mention?: Mention;
}

/** The true state of an approval, enough to draw its card without asking anybody. */
export interface ApprovalCard {
  approval_id: string;
  tool_name: string;
  /** What will be done, in words. */
  summary: string;
  /**
   * The exact command or arguments, 3,000 characters at most; characters that nobody would see stand there by their numbers.
   * Empty when they are private.
   */
  detail: string;
  /** They are not for the conversation: whoever may decide asks for them (`Receiver.details`). */
  private_detail?: true;
  /** What the agent said before it asked, shortened. */
  why?: string;
  requested_by: Person | null;
  /** Who else asked for it; absent: nobody. */
  also_asked?: Person[];
  /** Names or a sentence: who may decide. */
  approvers: string;
  /** Those of them whom this platform can name to their faces; absent: nobody in particular. */
  mentions?: Mention[];
  /** How many people have to approve; absent: one. */
  quorum?: number;
  /** Whoever approves may do so for the rest of the session: for all calls of this tool, or for these very arguments. */
  for_session?: 'tool' | 'arguments';
  /** Who is asked besides when nobody decides, in order, and when (ISO); absent: nobody. */
  escalations?: { to: string; at: string }[];
  /** Who may decide and is not in the conversation: they have a card of their own, or not, and why. Absent: nobody. */
  elsewhere?: AskedElsewhere;
  /**
   * The card of the conversation that it is about, for one that stands elsewhere. Null: it has no address. `channel` is the
   * platform's id, where both are on one platform.
   */
  about?: {
    link: string | null;
    channel?: string;
    /** Whose own place it stands in, by the platform's id; absent: a channel. */
    person?: string;
    /** It was sent with the question, because they may decide it; absent: later, when nobody had. */
    named?: true;
  };
  /** ISO time when it denies itself, or null. */
  expires_at: string | null;
  state:
    | {
        status: 'pending';
        reminded: number;
        /** Who has approved so far, where several have to. */
        approved_by?: Person[];
        /** How many of the escalations have taken place. */
        escalated?: number;
      }
    | {
        status: 'allowed' | 'denied';
        by: Person;
        at: string;
        reason: string | null;
        via: string;
        /** All who approved, where several had to; `by` is the last. */
        approved_by?: Person[];
        /** It holds for the rest of the session. */
        for_session?: 'tool' | 'arguments';
      }
    | { status: 'expired' | 'withdrawn'; at: string };
}

/**
 * Whether all that a call would do stands where so many characters of it are shown: only then is it approved there. Where
 * nothing stands, nothing was read.
 */
export function isShownWhole(
  { detail, private_detail }: Pick<ApprovalCard, 'detail' | 'private_detail'>,
  shown: number,
): boolean {
  return private_detail !== true && detail !== '' && detail.length <= shown;
}

/** By name. */
export interface AskedElsewhere {
  asked: string[];
  /** `why`: the end of a sentence. */
  not_asked: { name: string; why: string }[];
  /** Members of groups who were not written to because they are too many. */
  left_out: number;
}

export interface ToolActivity {
  tool_use_id: string;
  tool_name: string;
  /** A human title: `Run a command`. */
  title: string;
  /** The command or arguments, shortened. */
  detail: string;
  /** `output` while running is the latest part only; at the end at most 4,000 characters with a note of what is cut. */
  status: 'running' | 'done' | 'failed' | 'denied' | 'waiting';
  output: string;
}

/** A call as one line of a plan. */
export interface PlannedCall {
  /** The event that called. */
  id: string;
  /** A human title: `Run a command`. */
  title: string;
  /** One line of at most 300 characters, or nothing: the command or arguments. */
  detail: string;
  status: ToolActivity['status'];
  /** One line of at most 300 characters: why it failed or was denied. */
  output: string;
}
