/**
 * A connector is one chat platform: it parses what arrives into the inbound kinds below and renders what leaves.
 * It knows nothing of sessions, queues or agents; chat/receive.ts and chat/deliver.ts know nothing of any platform.
 */

/** A chat place. All four are the platform's own ids, opaque to the rest of the house. */
export interface ConversationKey {
  /** The connector's name. */
  connector: string;
  /** Slack team or enterprise, Teams tenant; `local` on the web page. */
  tenant: string;
  channel: string;
  /** The root message's id; the channel's own id where a place has no threads (a Slack DM without a thread). */
  thread: string;
}

export interface Person {
  /** The platform's user id, unique within connector and tenant. */
  id: string;
  /** As the platform shows it; never trusted for a decision. The id, where only the platform knows the name. */
  name: string;
  /** They are no full member of the workspace (a guest, somebody of another company): they speak, and change nothing. */
  guest?: boolean;
}

export interface InboundMessage {
  /** The platform's id of this delivery; the same event redelivered has the same id. */
  event_id: string;
  /** The platform's id of the message; two events about one message (Slack: `app_mention` and `message`) share it. */
  message_id: string;
  conversation: ConversationKey;
  sender: Person;
  /** As the platform wrote it: `Connector.readable` makes markdown of it. */
  text: string;
  /** The bot was mentioned, or this is a direct message. Anything else is people talking to each other: it is left alone. */
  addressed: boolean;
  /** An agent the person picked by name or id; else the default agent. */
  agent?: string;
}

export interface InboundDecision {
  event_id: string;
  conversation: ConversationKey;
  person: Person;
  approval_id: string;
  decision: 'allow' | 'deny';
  /** Why; Claude reads it on a denial. At most 2,000 characters. */
  reason?: string;
  /** Allow the same for the rest of the session. Only a card that offers it asks for it. */
  for_session?: boolean;
}

export interface InboundStop {
  event_id: string;
  conversation: ConversationKey;
  person: Person;
}

/** An answer of a session: its event. */
export interface Answer {
  session_id: string;
  event_id: string;
}

/** What somebody thinks of an answer. The latest of each person counts. */
export interface InboundFeedback {
  event_id: string;
  conversation: ConversationKey;
  person: Person;
  answer: Answer;
  rating: 'good' | 'bad';
}

/** What somebody asks for with a command (`/agents list`), or sends with the form that one was answered with. */
export interface InboundCommand {
  event_id: string;
  /** Where they are; outside of any thread, the thread is the channel. */
  conversation: ConversationKey;
  person: Person;
  /** Without its slash. `ask` is no typed one: a platform's way to ask an agent about a message, or about anything. */
  name: 'agents' | 'sessions' | 'ask';
  /** What stands behind the name; people as actor ids (`slack:U123`), channels by the platform's ids. */
  text: string;
  /** What the form was sent with: each field that was shown, lists with commas. */
  fields?: Record<string, string>;
  /** The message that it is about: its author's id and its text, as the platform has them. */
  about?: { author: string; text: string };
}

/** A form for one person. A platform may draw it (a modal), and its submission comes back as `command text` with fields. */
export interface Form {
  command: InboundCommand['name'];
  text: string;
  /** At most 24 characters, as Slack's modals take. */
  title: string;
  /** The button that sends it. */
  submit: string;
  fields: FormField[];
}

export type FormField = {
  name: string;
  label: string;
  hint?: string;
  /** What stands in it at first; people and channels with commas between. */
  value: string;
  optional: boolean;
} & (
  | { kind: 'text'; max_length: number; multiline: boolean }
  | { kind: 'choice'; options: { value: string; label: string }[] }
  /** Actor ids. What the platform cannot show of them comes back as it was. */
  | { kind: 'people' }
  | { kind: 'channels' }
  /** One channel or direct conversation in which the bot can speak. */
  | { kind: 'place' }
);

/**
 * What became of something inbound. `text` is a sentence for that person alone (an ephemeral message, a toast); null when
 * nothing need be said.
 */
export interface Receipt {
  effect: 'accepted' | 'duplicate' | 'ignored' | 'refused';
  text: string | null;
  /** A form to draw, for a command; `text` says how to do without it. */
  form?: Form;
  /** What is wrong with the fields of the form that was sent, by name: it stays open. */
  errors?: Record<string, string>;
}

/** Something inbound that is durable, or has no effect: the platform may be acknowledged now. */
export interface Kept {
  /**
   * Resolves when it was applied, and its connector tells the person. Rejects when that failed: it is tried again later,
   * maybe by another gateway, which tells the person then.
   */
  readonly receipt: Promise<Receipt>;
}

/** Each resolves when the event is durable. It rejects when it is not: without an acknowledgement the platform delivers again. */
export interface Receiver {
  message(message: InboundMessage): Promise<Kept>;
  decision(decision: InboundDecision): Promise<Kept>;
  stop(stop: InboundStop): Promise<Kept>;
  /** Look, without any effect: all of what will be done, for whoever may see it. @throws when it cannot be read */
  details(from: { conversation: ConversationKey; person: Person; approval_id: string }): Promise<ApprovalDetails>;
  /** Look, without any effect: what waits for this person, oldest first. @throws when it cannot be read */
  waiting(from: { conversation: ConversationKey; person: Person }): Promise<WaitingApprovals>;
  feedback(feedback: InboundFeedback): Promise<Kept>;
  command(command: InboundCommand): Promise<Kept>;
  /** What one person has to do with here, for a platform that has a page for that. Changes nothing. */
  overview(place: Pick<ConversationKey, 'connector' | 'tenant'>, person: Person): Promise<Overview>;
}

/** What concerns one person: at most ten of each kind. Links are null where there is none. */
export interface Overview {
  /** Those they own. */
  agents: { agent_id: string; name: string; description: string | null; paused: boolean }[];
  /** Theirs, running or waiting for somebody. */
  sessions: { session_id: string; title: string; agent_name: string; state: string; link: string | null }[];
  /** Questions that they may decide. */
  approvals: OverviewApproval[];
  /** This month's sessions, in cents; `all` only for those who may see it. */
  month: { mine: Spent; all: Spent | null };
  may_create: boolean;
}

export interface OverviewApproval {
  approval_id: string;
  tool_name: string;
  summary: string;
  /** Where it was asked; null: in no chat. */
  conversation: ConversationKey | null;
  link: string | null;
}

interface Spent {
  cents: number;
  sessions: number;
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
      agent_name: string;
    }
  | { kind: 'notice'; delivery_id: string; level: 'info' | 'error'; markdown: string; agent_name: string }
  | { kind: 'approval'; delivery_id: string; card: ApprovalCard; agent_name: string }
  | { kind: 'activity'; delivery_id: string; activity: ToolActivity; agent_name: string }
  | {
      kind: 'file';
      delivery_id: string;
      /** `answer.md`. */
      name: string;
      /** Text, to be encoded as UTF-8. */
      content: string;
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
      agent_name: string;
    };

/** The true state of an approval, enough to draw its card without asking anybody. */
export interface ApprovalCard {
  approval_id: string;
  tool_name: string;
  /** What will be done, in words. */
  summary: string;
  /** The exact command or arguments, at most 3,000 characters; empty when they are private. */
  detail: string;
  /** They are not for the conversation: whoever may decide asks for them (`Receiver.details`). */
  private_detail?: true;
  /** What the agent said before it asked, shortened. */
  why?: string;
  requested_by: Person | null;
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
  /** The card of the conversation that it is about, for one that stands elsewhere. Null: it has no address. */
  about?: { link: string | null };
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

/** A call whole, or why this person may not see it. */
export type ApprovalDetails =
  | { refused: string }
  | {
      summary: string;
      why: string | null;
      /** Every argument as it is, of any length. */
      detail: string;
    };

export interface WaitingApprovals {
  /** At most ten. */
  approvals: WaitingApproval[];
  /** How many wait besides. */
  more: number;
}

export interface WaitingApproval {
  card: ApprovalCard;
  agent_name: string;
  /** Where it was asked: a decision counts as made there. Null: in no chat. */
  conversation: ConversationKey | null;
  /** ISO. */
  asked_at: string;
}

/** Somebody or somewhere that the platform has a name for. */
export interface Mention {
  kind: 'person' | 'group' | 'channel';
  /** The platform's own id. */
  id: string;
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

/** A posted message: what `edit` needs to change it. Opaque, stored with the delivery. */
export type PostRef = string;

/**
 * What the agent is at, and what its session is called. `working` and `asking` (a person, who has not answered yet) say it
 * in words; `resting`: it waits to be spoken to; `ended`: the session takes nothing more.
 */
export type Status = ({ state: 'working' | 'asking'; text: string } | { state: 'resting' | 'ended' }) & {
  title?: string;
};

export interface Connector {
  readonly name: string;
  readonly limits: {
    /** Characters of markdown one message may carry; longer text is split before `post`. */
    text: number;
    /** Least time between two edits of one live message, and of all once the platform says that they are too many. */
    edit_interval_ms: number;
    /** Least time between two posts in one channel once the platform says that they are too many. */
    post_interval_ms: number;
    /** Of a text that needs more posts than this, so many are made, and a `file` has the whole; absent: it takes no files. */
    posts_before_file?: number;
    /** Calls that one message of kind `plan` shows; a platform without it shows none so. */
    plan_size?: number;
  };
  /** It shows each call of a tool as a message of its own (`activity`). `text`, `notice` and `approval` are always shown. */
  readonly shows_activity: boolean;
  /**
   * Each conversation is its people's alone, and its address opens it. Absent: what is said in a channel is for everybody
   * in that channel, and the platform decides who may open it.
   */
  readonly closed_conversations?: true;

  /** Begin receiving. Resolves when the connection stands. */
  start(receiver: Receiver): Promise<void>;
  /**
   * Stop receiving; resolves when nothing inbound is in flight, or after `patience_ms`: what then still waits is let go
   * without an acknowledgement, or without its receipt when it was kept.
   */
  stop(patience_ms: number): Promise<void>;

  /** What this person is called. Never rejects: the platform may be asked, and the id will do when it does not answer. */
  nameOf(person: Person): Promise<string>;
  /** Whether this person is a guest here; absent: the platform knows none. Never rejects: who is not known counts as one. */
  isGuest?(person: Person): Promise<boolean>;
  /** User groups, on a platform that has them. */
  readonly groups?: UserGroups;
  /** A message's text as markdown, with the bot's own mention removed and people by their names. As `nameOf`. */
  readable(text: string): Promise<string>;

  /**
   * Post a new message and return its reference.
   * @throws RateLimitedError when the platform says to wait; PostRefusedError when it will never take this message;
   *   anything else means the outcome is unknown: the caller looks it up with `find` before posting again.
   */
  post(conversation: ConversationKey, outgoing: Outgoing, signal: AbortSignal): Promise<PostRef>;
  /** Replace a message's content. Same errors as `post`; a repeat is harmless. */
  edit(conversation: ConversationKey, ref: PostRef, outgoing: Outgoing, signal: AbortSignal): Promise<void>;
  /** The message that carries this delivery id, or null when there is none. */
  find(conversation: ConversationKey, deliveryId: string, signal: AbortSignal): Promise<PostRef | null>;
  /** Same errors as `post`, for what would be wrong until the next one; a repeat is harmless. */
  setStatus(conversation: ConversationKey, status: Status, signal: AbortSignal): Promise<void>;
  /**
   * Show that somebody asks an agent something, once however often it is repeated, and return the conversation that the
   * answer belongs to. Absent: people ask by writing. Same errors as `post`.
   */
  ask?(
    conversation: ConversationKey,
    deliveryId: string,
    markdown: string,
    signal: AbortSignal,
  ): Promise<ConversationKey>;
  /** An address that opens this conversation; null where there is none. */
  linkTo?(conversation: ConversationKey): string | null;
  /** Say something to one person only, in the conversation. Best effort. */
  whisper(conversation: ConversationKey, person: Person, markdown: string, signal: AbortSignal): Promise<void>;

  /**
   * The places in which these can be asked something: a person's own, a channel, each member's of a group. Absent: nobody
   * can be reached who is not in a conversation. `tenant`: of the installation that asks, null when it is another platform's.
   * Same errors as `post`.
   */
  reach?(target: Mention, tenant: string | null, signal: AbortSignal): Promise<ConversationKey[]>;
  /** The address of a message, for people who may open it; null when it has none. Same errors as `post`. */
  permalinkOf?(conversation: ConversationKey, ref: PostRef, signal: AbortSignal): Promise<string | null>;
}

/** Groups of people that somebody on the platform keeps. Nothing here rejects: a platform that does not answer knows nothing. */
export interface UserGroups {
  /** What it is called; its id when that is not known. */
  nameOf(group: string): Promise<string>;
  /** Whether it is known that this person is in it, as of a minute ago at most. */
  includes(group: string, person: Person): Promise<boolean>;
}

/** The platform asked us to wait. */
export class RateLimitedError extends Error {
  readonly retry_after_ms: number;

  constructor(retryAfterMs: number, options?: ErrorOptions) {
    super(`Rate limited for ${retryAfterMs} ms`, options);
    this.name = 'RateLimitedError';
    this.retry_after_ms = retryAfterMs;
  }
}

/** The platform refused this message for good (too long, channel gone, not a member). `reason` is the platform's word. */
export class PostRefusedError extends Error {
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    super(`The platform refused the message: ${reason}`, options);
    this.name = 'PostRefusedError';
    this.reason = reason;
  }
}
