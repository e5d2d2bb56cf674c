import type {
  AllMiddlewareArgs,
  AnyMiddlewareArgs,
  Middleware,
  SlackActionMiddlewareArgs,
  SlackCommandMiddlewareArgs,
  SlackEventMiddlewareArgs,
  SlackShortcutMiddlewareArgs,
  SlackViewMiddlewareArgs,
} from '@slack/bolt';

/**
 * Who takes what Slack sends: one handler for each name, found by one look. Bolt asks each of its own listeners about
 * everything that arrives, and makes a chain of promises and a copy of the arguments for every question.
 *
 * A name that is taken already is a mistake: every method that takes a handler throws then.
 */
export class Dispatch {
  readonly #events = new Map<string, Middleware<SlackEventMiddlewareArgs>>();
  readonly #actions = new Map<string, Middleware<SlackActionMiddlewareArgs>>();
  readonly #views = new Map<string, Middleware<SlackViewMiddlewareArgs>>();
  readonly #commands = new Map<string, Middleware<SlackCommandMiddlewareArgs>>();
  readonly #shortcuts = new Map<string, Middleware<SlackShortcutMiddlewareArgs>>();

  event(type: string, handler: Middleware<SlackEventMiddlewareArgs>): void {
    take(this.#events, type, handler);
  }

  action(action_id: string, handler: Middleware<SlackActionMiddlewareArgs>): void {
    take(this.#actions, action_id, handler);
  }

  /** A modal that was sent; one that was closed is nobody's. */
  view(callback_id: string, handler: Middleware<SlackViewMiddlewareArgs>): void {
    take(this.#views, callback_id, handler);
  }

  command(name: string, handler: Middleware<SlackCommandMiddlewareArgs>): void {
    take(this.#commands, name, handler);
  }

  shortcut(callback_id: string, handler: Middleware<SlackShortcutMiddlewareArgs>): void {
    take(this.#shortcuts, callback_id, handler);
  }

  /** The last middleware of a Bolt app. What is nobody's is left alone. @throws what the handler threw */
  async handle(args: AnyMiddlewareArgs & AllMiddlewareArgs): Promise<void> {
    if ('event' in args) await this.#events.get(args.event.type)?.(args);
    else if ('action' in args) await this.#actions.get(actionOf(args))?.(args);
    else if ('command' in args) await this.#commands.get(args.command.command)?.(args);
    else if ('shortcut' in args) await this.#shortcuts.get(args.shortcut.callback_id)?.(args);
    else if ('view' in args && args.body.type === 'view_submission') {
      await this.#views.get(args.view.callback_id)?.(args);
    }
  }
}

function take<Handler>(handlers: Map<string, Handler>, name: string, handler: Handler): void {
  if (handlers.has(name)) throw new Error(`Two handlers for ${name} of Slack's`);
  handlers.set(name, handler);
}

/** Empty for what is no element of a block, such as a dialog. */
function actionOf({ action }: SlackActionMiddlewareArgs): string {
  return 'action_id' in action ? action.action_id : '';
}
