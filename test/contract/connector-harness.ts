import type { Connector } from '../../src/chat/connector.ts';
import type { Receiver } from '../../src/chat/inbound.ts';
import type { ConversationKey } from '../../src/chat/place.ts';

/**
 * What a connector's tests bring so that the contract suite can drive its platform: people who write and click, eyes
 * that see what each of them sees, and the platform's faults. The suite knows nothing else of the platform.
 */
export interface ConnectorHarness extends AsyncDisposable {
  readonly connector: Connector;
  /** Somebody who can write in the place the bot is in. The same name is the same person. */
  person(name: string): HarnessPerson;
  /** What this person sees in the conversation now, oldest first, private messages to them included. */
  visibleTo(name: string, conversation: ConversationKey): Promise<VisibleMessage[]>;
  /** The platform delivers the latest inbound event once more, unchanged. */
  redeliverLast(): Promise<void>;
  readonly faults: {
    /** The next post is applied, but its response never arrives. */
    loseNextResponse?(): void;
    /** The platform answers the next post with "wait this long" and does not apply it. */
    rateLimitNext?(retryAfterMs: number): void;
  };
}

export interface HarnessPerson {
  /**
   * Write a message; resolves when the platform took it. Without `in` it is a new conversation. `mention: false`
   * inside a conversation continues it without addressing the bot.
   */
  says(text: string, options?: { mention?: boolean; in?: ConversationKey }): Promise<void>;
  /** Press Approve or Deny on the card as it is shown now (a reason goes with Deny where the platform asks for one). */
  clicks(approvalId: string, decision: 'allow' | 'deny', conversation: ConversationKey, reason?: string): Promise<void>;
}

export interface VisibleMessage {
  /** All that is readable: text, headings, card fields. */
  text: string;
  /** Labels of the buttons that can be pressed. */
  buttons: string[];
  /** Only this person sees it. */
  private: boolean;
  /** Posted by the bot. */
  from_bot: boolean;
}

/** What this platform can be made to do; a case that needs more is skipped by name, never silently passed. */
export interface HarnessAbilities {
  loses_responses: boolean;
  rate_limits: boolean;
  /** A person can write in a conversation without addressing the bot. */
  unaddressed: boolean;
}

export type CreateHarness = (receiver: Receiver) => Promise<ConnectorHarness>;
