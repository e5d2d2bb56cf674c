import { PostRefusedError } from '../../src/chat/connector.ts';
import type { SlackClient } from './client.ts';
import type { Identity } from './parse.ts';

/** The Web API, by the tenant whose conversation a call is about: no call goes out with another one's token. */
export interface SlackClients {
  /** Calls of a tenant that is not installed (any more) are refused, with NotInstalledError. */
  of(tenant: string): SlackClient;
}

/** Where the app is installed: in one workspace by its token, or in many by OAuth. */
export interface Installations extends SlackClients {
  /** Resolves when it is known that Slack can be reached. @throws when Slack does not accept what there is */
  start(): Promise<void>;
  /** The installation that something of Slack's was sent to. @throws NotInstalledError */
  identityOf(body: unknown): Promise<Identity>;
  /** The installation of a tenant, as of a minute ago at most. @throws NotInstalledError */
  identityIn(tenant: string): Promise<Identity>;
  /** The address of a tenant's workspace, with a slash at its end; null when it is not known in this process. */
  urlOf(tenant: string): string | null;
  /** The house's workspace of a tenant; null: the default one. */
  workspaceOf(tenant: string): Promise<string | null>;
  /** The tenant, where there is only one. */
  readonly only: string | null;
  /** Slack says that tokens of this installation are worth nothing any more. Resolves when that is on record. */
  ended(body: unknown): Promise<void>;
}

/** The app is not installed there, or not any more: whatever is to be said there is refused for good. */
export class NotInstalledError extends PostRefusedError {
  constructor(tenant: string, options?: ErrorOptions) {
    super(`not_installed in ${tenant}`, options);
    this.name = 'NotInstalledError';
  }
}
