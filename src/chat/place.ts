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

/** Somebody or somewhere that the platform has a name for. */
export interface Mention {
  kind: 'person' | 'group' | 'channel';
  /** The platform's own id. */
  id: string;
}
