import { SlackApiError } from './api-error.ts';
import { type Arguments, blocksOf, optional } from './arguments.ts';
import { buttonLabel, buttonsOf, checkBlocks, feedbackButtonsOf } from './block-limits.ts';
import { shown, withBlockIds } from './chat-methods.ts';
import type { SlackClock } from './clock.ts';
import type { MethodScene, Trigger } from './method.ts';
import type { Outbox } from './outbox.ts';
import type { Acknowledgement } from './socket-mode.ts';
import { stateOf, type Typed } from './view-state.ts';
import type { SlackBlock, SlackMessage, SlackUser, SlackView, SlackWorkspace } from './workspace.ts';

/** docs.slack.dev/interactivity/handling-user-interaction: trigger ids last 3 s, response urls 30 min and five uses. */
const TRIGGER_MS = 3_000;
const RESPONSE_URL_MS = 1_800_000;
const RESPONSE_URL_USES = 5;

interface ResponseUrl {
  uses: number;
  since: number;
  user: string;
  channel: string;
  message: SlackMessage | null;
}

/** Clicks, modals and commands of people, and the short-lived ids that come with them. */
export interface Interactions {
  triggeredBy(triggerId: string): Trigger | undefined;
  /** Apply what the app posted to a response url. @throws SlackApiError `used_url` or `expired_url` */
  respond(id: string, args: Arguments, scene: MethodScene): void;
  /** Press the button with this action id or label. @throws when the message shows no such button. */
  click(user: SlackUser, message: SlackMessage, button: string): Promise<Acknowledgement>;
  /** Press one of the feedback buttons. @throws when the message shows none. */
  rate(user: SlackUser, message: SlackMessage, rating: 'good' | 'bad'): Promise<Acknowledgement>;
  /** Send a modal with what the person typed, by action id. */
  submit(user: SlackUser, view: SlackView, typed: Typed): Promise<Acknowledgement>;
  command(user: SlackUser, channel: string, command: string, text: string): Promise<Acknowledgement>;
  /** Press a button of a modal, by its label or action id. @throws when it shows none such. */
  pressView(user: SlackUser, view: SlackView, button: string): Promise<Acknowledgement>;
  /** Press a button of the Home tab, by its label or action id, and by its block's id where several look alike. */
  pressHome(user: SlackUser, button: string, block?: string): Promise<Acknowledgement>;
  /** Choose a shortcut: of a message, or a global one. */
  shortcut(user: SlackUser, callbackId: string, message?: SlackMessage): Promise<Acknowledgement>;
}

interface InteractionParts {
  clock: SlackClock;
  workspace: SlackWorkspace;
  outbox: Outbox;
  /** Base of response urls. */
  origin: () => string;
}

/** The errors of an acknowledgement. @throws when one is for a block that the view does not have: Slack shows trouble then */
function checkErrors(ack: Acknowledgement, view: SlackView): void {
  const { payload } = ack;
  if (typeof payload !== 'object' || payload === null || !('errors' in payload)) return;
  const inputs = view.blocks.filter(({ type }) => type === 'input').map(({ block_id }) => block_id);
  const names = Object.keys(typeof payload.errors === 'object' ? (payload.errors ?? {}) : {});
  const strange = names.find((name) => !inputs.includes(name));
  if (names.length === 0 || strange !== undefined) throw new Error(`The view has no input "${strange ?? ''}"`);
}

function responseActionOf({ payload }: Acknowledgement): unknown {
  return typeof payload === 'object' && payload !== null && 'response_action' in payload
    ? payload.response_action
    : undefined;
}

function accessoryOf(block: SlackBlock): Record<string, unknown>[] {
  const { accessory } = block;
  return typeof accessory === 'object' && accessory !== null ? [{ ...accessory }] : [];
}

export function createInteractions({ clock, workspace, outbox, origin }: InteractionParts): Interactions {
  const triggers = new Map<string, Trigger & { since: number }>();
  const urls = new Map<string, ResponseUrl>();

  function trigger(user: SlackUser): string {
    const id = `${workspace.nextId('')}.${workspace.nextId('')}.trigger`;
    triggers.set(id, { user: user.id, is_exchanged: false, since: clock.now() });
    return id;
  }

  function responseUrl(user: SlackUser, channel: string, message: SlackMessage | null): string {
    const id = workspace.nextId('R');
    urls.set(id, { uses: 0, since: clock.now(), user: user.id, channel, message });
    return `${origin()}/response/${id}`;
  }

  const person = (user: SlackUser) => ({
    id: user.id,
    username: user.name.toLowerCase(),
    name: user.name.toLowerCase(),
    team_id: workspace.team_id,
  });
  const common = () => ({
    team: { id: workspace.team_id, domain: 'deckhand' },
    api_app_id: workspace.app_id,
    enterprise: workspace.enterprise,
    is_enterprise_install: workspace.enterprise !== null,
  });

  function press(
    user: SlackUser,
    message: SlackMessage,
    block: SlackBlock | undefined,
    action: Record<string, unknown>,
  ): Promise<Acknowledgement> {
    const container = {
      type: 'message',
      message_ts: message.ts,
      channel_id: message.channel,
      is_ephemeral: message.ephemeral_to !== undefined,
      ...(message.thread_ts !== undefined && { thread_ts: message.thread_ts }),
    };
    const payload = {
      type: 'block_actions',
      ...common(),
      user: person(user),
      container,
      trigger_id: trigger(user),
      channel: { id: message.channel, name: workspace.channels.get(message.channel)?.name ?? '' },
      message: shown(message, workspace),
      state: { values: {} },
      response_url: responseUrl(user, message.channel, message),
      actions: [{ ...action, block_id: block?.block_id, action_ts: workspace.nextTs() }],
    };
    return outbox.interaction({ type: 'interactive', payload });
  }

  return {
    triggeredBy(triggerId) {
      const found = triggers.get(triggerId);
      return found !== undefined && clock.now() - found.since < TRIGGER_MS ? found : undefined;
    },

    respond(id, args, scene) {
      const url = urls.get(id);
      if (url === undefined || clock.now() - url.since >= RESPONSE_URL_MS) throw new SlackApiError('expired_url');
      if (url.uses >= RESPONSE_URL_USES) throw new SlackApiError('used_url');
      url.uses += 1;
      const blocks = blocksOf(args) ?? [];
      checkBlocks(blocks);
      const content = { text: optional(args, 'text') ?? '', blocks: withBlockIds(scene, blocks) };
      if (args.replace_original === true && url.message !== null) {
        Object.assign(url.message, content);
        return;
      }
      const threadTs = optional(args, 'thread_ts');
      workspace.messages.push({
        ...content,
        ts: workspace.nextTs(),
        channel: url.channel,
        user: workspace.bot_user_id,
        bot_id: workspace.bot_id,
        ...(optional(args, 'response_type') !== 'in_channel' && { ephemeral_to: url.user }),
        ...(threadTs !== undefined && { thread_ts: threadTs }),
      });
    },

    click(user, message, wanted) {
      const button = buttonsOf(message.blocks).find((b) => b.action_id === wanted || buttonLabel(b) === wanted);
      if (button === undefined) throw new Error(`There is no button "${wanted}" on message ${message.ts}`);
      const isIt = (other: Record<string, unknown>) =>
        other.action_id === button.action_id && other.value === button.value;
      const block = message.blocks.find((b) => buttonsOf([b]).some(isIt));
      return press(user, message, block, button);
    },

    rate(user, message, rating) {
      const buttons = feedbackButtonsOf(message.blocks);
      if (buttons === undefined) throw new Error(`Message ${message.ts} asks for no feedback`);
      const { value, text } = buttons[rating];
      const action = { type: 'feedback_buttons', action_id: buttons.action_id, value, text };
      const block = message.blocks.find((b) => b.type === 'context_actions');
      return press(user, message, block, action);
    },

    async submit(user, view, typed) {
      const payload = {
        type: 'view_submission',
        ...common(),
        user: person(user),
        trigger_id: trigger(user),
        view: { ...view, type: 'modal', bot_id: workspace.bot_id, state: { values: stateOf(view.blocks, typed) } },
        response_urls: [],
      };
      const ack = await outbox.interaction({ type: 'interactive', payload });
      checkErrors(ack, view);
      const action = responseActionOf(ack);
      if (ack.acked && action === undefined) workspace.views.splice(workspace.views.indexOf(view), 1);
      if (ack.acked && action === 'clear') workspace.views = workspace.views.filter((open) => open.user !== user.id);
      return ack;
    },

    pressView(user, view, wanted) {
      const block = view.blocks.find((one) =>
        buttonsOf([one]).some((button) => button.action_id === wanted || buttonLabel(button) === wanted),
      );
      const button = buttonsOf(block === undefined ? [] : [block]).find(
        (one) => one.action_id === wanted || buttonLabel(one) === wanted,
      );
      if (button === undefined) throw new Error(`The modal has no button "${wanted}"`);
      const payload = {
        type: 'block_actions',
        ...common(),
        user: person(user),
        container: { type: 'view', view_id: view.id },
        trigger_id: trigger(user),
        view: { ...view, type: 'modal', bot_id: workspace.bot_id, state: { values: stateOf(view.blocks, {}) } },
        actions: [{ ...button, block_id: block?.block_id, action_ts: workspace.nextTs() }],
      };
      return outbox.interaction({ type: 'interactive', payload });
    },

    pressHome(user, wanted, block) {
      const blocks = (workspace.homes.get(user.id)?.blocks ?? []).filter(
        ({ block_id }) => block === undefined || block_id === block,
      );
      const buttons = blocks.flatMap((one) =>
        [...buttonsOf([one]), ...accessoryOf(one)].map((button) => ({ button, one })),
      );
      const found = buttons.find(({ button }) => button.action_id === wanted || buttonLabel(button) === wanted);
      if (found === undefined) throw new Error(`The Home tab of ${user.name} has no button "${wanted}"`);
      const payload = {
        type: 'block_actions',
        ...common(),
        user: person(user),
        container: { type: 'view', view_id: `VHOME${user.id}` },
        trigger_id: trigger(user),
        view: {
          id: `VHOME${user.id}`,
          type: 'home',
          bot_id: workspace.bot_id,
          callback_id: '',
          private_metadata: '',
          blocks: [],
        },
        actions: [{ ...found.button, block_id: found.one.block_id, action_ts: workspace.nextTs() }],
      };
      return outbox.interaction({ type: 'interactive', payload });
    },

    shortcut(user, callback_id, message) {
      const about =
        message === undefined
          ? {}
          : {
              channel: { id: message.channel, name: workspace.channels.get(message.channel)?.name ?? '' },
              message: shown(message, workspace),
              message_ts: message.ts,
              response_url: responseUrl(user, message.channel, null),
            };
      const payload = {
        type: message === undefined ? 'shortcut' : 'message_action',
        callback_id,
        ...common(),
        user: person(user),
        trigger_id: trigger(user),
        action_ts: workspace.nextTs(),
        ...about,
      };
      return outbox.interaction({ type: 'interactive', payload });
    },

    command(user, channel, command, text) {
      const payload = {
        token: 'verification-token',
        team_id: workspace.team_id,
        ...(workspace.enterprise !== null && { enterprise_id: workspace.enterprise.id }),
        is_enterprise_install: workspace.enterprise === null ? 'false' : 'true',
        api_app_id: workspace.app_id,
        channel_id: channel,
        channel_name: workspace.channels.get(channel)?.name ?? '',
        user_id: user.id,
        user_name: user.name.toLowerCase(),
        command,
        text,
        trigger_id: trigger(user),
        response_url: responseUrl(user, channel, null),
      };
      return outbox.interaction({ type: 'slash_commands', payload });
    },
  };
}
