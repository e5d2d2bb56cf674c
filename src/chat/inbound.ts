import type { Answer, ApprovalCard } from './outgoing.ts';
import type { ConversationKey, Person } from './place.ts';

/** What is attached to a message, as far as its event tells. */
export interface InboundFile {
  /** The platform's id. */
  id: string;
  /** As somebody called it, when that is known. */
  name: string;
  /** The message that it is attached to, where that is not the one that it comes with. */
  message_id?: string;
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
  files?: InboundFile[];
  /** The bot was mentioned, or this is a direct message. Anything else is the agent's only where the channel's reply mode says so. */
  addressed: boolean;
  /** It mentions other people or groups, and not the bot. */
  to_others?: true;
  /** An agent the person picked in a form, by name or id: whatever the text says. */
  agent?: string;
  /** By name or id, who is asked where the text calls no agent (`Code Reviewer: …`). Absent: who answers here. */
  usual_agent?: string;
  /**
   * It is not the first of its conversation, and what was said there before may not have been said to the bot: in `all`
   * of it, or only before the bot was `first` spoken to.
   */
  follows?: 'all' | 'first';
  /** Where it was changed since it was written: which version of it this is, as in `InboundChange`. */
  version?: string;
}

/** Somebody changed a message of theirs, or took it back. */
export interface InboundChange {
  event_id: string;
  /** Of the message. */
  message_id: string;
  /**
   * The platform's word for what the message is from then on: two events about one change share it. Versions of one message
   * sort as text, the later is the greater; a deletion is the last, whatever it is called.
   */
  version: string;
  conversation: ConversationKey;
  /** Who had said it. */
  sender: Person;
  /** What it says now, as the platform wrote it; null: nothing, it was deleted. */
  text: string | null;
  /** It addresses the bot now, and did not before: who was not given it, is given this. */
  message?: InboundMessage;
}

export interface InboundDecision {
  event_id: string;
  /** Where they pressed, as the platform says: their say follows from it. */
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
  name: 'agents' | 'approvals' | 'sessions' | 'ask';
  /** What stands behind the name; people, groups and channels as policies name them (`slack:U123`, `slack:channel:C123`). */
  text: string;
  /** What the form was sent with: each field that was shown, lists with commas. */
  fields?: Record<string, string>;
  /** The message that it is about: its author's id and its text, as the platform has them. */
  about?: { author: string; text: string; files?: Required<InboundFile>[] | undefined };
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
  /** The heading under which it and those after it stand. */
  section?: string;
} & (
  | { kind: 'text'; max_length: number; multiline: boolean }
  | { kind: 'choice'; options: { value: string; label: string }[] }
  /** Actor ids. What the platform cannot show of them comes back as it was. */
  | { kind: 'people' }
  /** People, user groups and, where `channels`, channels, as policies name them (`slack:group:S123`). Their order counts. */
  | { kind: 'targets'; channels: boolean }
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
  /** What `text` lists of approvals: a platform may draw it with buttons instead. */
  waiting?: WaitingApprovals;
  /** What is wrong with the fields of the form that was sent, by name: it stays open. */
  errors?: Record<string, string>;
  /** Of a double of a form: what became of the first is not known yet. The same may be asked again. */
  unsettled?: true;
  /** Of a Stop: no session of the conversation runs or waits for people, whoever began it. */
  at_rest?: true;
}

/** It was meant for nobody here, and nobody is told. */
export const IGNORED: Receipt = { effect: 'ignored', text: null };

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
  change(change: InboundChange): Promise<Kept>;
  decision(decision: InboundDecision): Promise<Kept>;
  stop(stop: InboundStop): Promise<Kept>;
  /**
   * Look, without any effect: all of what will be done, for whoever may see it. `decision`: what they mean to do, by default to
   * approve. @throws when it cannot be read
   */
  details(from: ApprovalLook): Promise<ApprovalDetails>;
  /** Look, without any effect: what waits for this person, oldest first, behind so many. @throws when it cannot be read */
  waiting(from: { conversation: ConversationKey; person: Person; before?: number }): Promise<WaitingApprovals>;
  /** Look: a file of a session that is shown in this conversation; null when there is none. @throws when it cannot be read */
  file(from: { conversation: ConversationKey; file_id: string }): Promise<SessionFile | null>;
  feedback(feedback: InboundFeedback): Promise<Kept>;
  command(command: InboundCommand): Promise<Kept>;
  /** What one person has to do with here, for a platform that has a page for that. Changes nothing. */
  overview(place: Pick<ConversationKey, 'connector' | 'tenant'>, person: Person): Promise<Overview>;
}

export interface SessionFile {
  filename: string;
  mime_type: string;
  size_bytes: number;
  /** Its bytes, as fast as they are taken. */
  content(): AsyncIterable<Uint8Array>;
}

/** What concerns one person: at most ten of each kind. Links are null where there is none. */
export interface Overview {
  /** Those they own. */
  agents: { agent_id: string; name: string; description: string | null; paused: boolean }[];
  /** Theirs, running or waiting for somebody. */
  sessions: { session_id: string; title: string; agent_name: string; state: string; link: string | null }[];
  /** Questions that they may decide, oldest first. */
  waiting: WaitingApprovals;
  /** How many there are besides. */
  more: { agents: number; sessions: number };
  /** What was spent this month (UTC), in cents; `all` only for those who may see it. */
  month: { mine: Spent; all: Spent | null };
  may_create: boolean;
}

interface Spent {
  cents: number;
  sessions: number;
}

/** Somebody looks at an approval. */
export interface ApprovalLook extends Pick<InboundDecision, 'approval_id' | 'conversation' | 'person'> {
  decision?: InboundDecision['decision'];
}

/** A call whole, or why this person may not see it. */
export type ApprovalDetails =
  | { refused: string }
  | {
      summary: string;
      why: string | null;
      /** Every argument as it is, of any length; characters that nobody would see stand there by their numbers. */
      detail: string;
      /** Why they cannot decide it so, or not any more, as a sentence for them; null when they may. */
      closed: string | null;
      /** Whoever approves may do so for the rest of the session. */
      for_session?: 'tool' | 'arguments';
    };

export interface WaitingApprovals {
  /** At most ten. */
  approvals: WaitingApproval[];
  /** How many wait besides, behind these. */
  more: number;
  /** How many stand before these; absent: none. */
  before?: number;
  /** Not all that waits in the workspace was looked at: there may be more. */
  cut_short?: true;
}

export interface WaitingApproval {
  card: ApprovalCard;
  agent_name: string;
  /** Where it was asked. Null: in no chat. */
  conversation: ConversationKey | null;
  /** To that conversation, where its platform has such. */
  link: string | null;
  /** ISO. */
  asked_at: string;
}
