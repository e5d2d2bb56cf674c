import { setTimeout as delay } from 'node:timers/promises';
import type { Kept, Receipt, Receiver, WaitingApprovals } from '../../src/chat/inbound.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { SLACK } from './conversation-id.ts';
import type { Dispatch } from './dispatch.ts';
import { FORM_VIEW, type FormMemory, formModal, type UserGroup } from './form-modal.ts';
import type { InFlight } from './in-flight.ts';
import type { SlackClients } from './installations.ts';
import { shorten } from './mrkdwn.ts';
import type { Identity } from './parse.ts';
import { type Asked, parseForm, parseShortcut, parseSlash, type SentForm } from './parse-command.ts';
import { PerhapsSaidError } from './response-url.ts';
import { answerWaiting } from './waiting-answer.ts';

/** Within the three seconds that a trigger id lives and an acknowledgement may take. */
const TRIGGER_MS = 2_500;
/** How long a form waits for the groups that it offers. */
const GROUPS_MS = 500;
/** Between two looks at what became of the first of two. */
const LOOK_MS = 50;
/** Of what is wrong with a field; Slack shows it below it. */
const FIELD_ERROR = 300;
const NOT_TAKEN = 'That could not be taken just now. Please try again.';
/** It is durable by then, and whichever gateway does it whispers what became of it. */
const NOT_DONE_YET =
  'That could not be done just now. It is kept and tried again by itself: you are told what became of it, and need not send it again.';

export const ASK_ABOUT_SHORTCUT = 'deckhand_ask_about';
export const ASK_SHORTCUT = 'deckhand_ask';

export interface CommandParts {
  logger: Logger;
  clients: SlackClients;
  inFlight: InFlight;
  /** The installation that this was sent to, and who takes it. @throws NotInstalledError, or until the connector is started */
  connected: (body: unknown) => Promise<{ identity: Identity; receiver: Receiver }>;
  receiver: () => Receiver;
  /** Answer one person where they typed or pressed something. */
  answer: (asked: Pick<Asked, 'command' | 'response_url'>, markdown: string) => Promise<void>;
  /** User groups that a form may offer; none while Slack does not name them. */
  groupsOf: (tenant: string) => Promise<UserGroup[]>;
  /** Draw the Home tab of this person again, with a notice on it. */
  refreshHome: (tenant: string, userId: string, notice?: string) => Promise<void>;
}

/** How commands are asked for from elsewhere in this connector. */
export interface CommandListeners {
  /** Hand a command over. Its answer goes to the person, its form is drawn. @throws what the receiver threw */
  ask(asked: Asked, home: boolean): Promise<void>;
}

/** Slash commands, shortcuts and forms. A form's answer has to be in its acknowledgement, so that one waits for its effect. */
export function createCommandListeners(on: Dispatch, parts: CommandParts): CommandListeners {
  const { logger, clients, inFlight, connected, receiver } = parts;

  function failed(error: unknown): void {
    logger.warn({ reason: withoutSecrets(messageOf(error)), connector: SLACK }, 'slack command was not answered');
  }

  async function tell(
    asked: Pick<Asked, 'command' | 'response_url'>,
    home: boolean,
    text: string | null,
  ): Promise<void> {
    const { conversation, person } = asked.command;
    if (home) await parts.refreshHome(conversation.tenant, person.id, text ?? undefined);
    else if (text !== null) await parts.answer(asked, text);
  }

  /** Once: by whoever took the first of two. */
  async function told(sent: SentForm, { effect, text }: Receipt): Promise<void> {
    if (effect !== 'duplicate') await tell(sent, sent.memory.home === true, text);
  }

  async function draw(asked: Asked, receipt: Receipt, home: boolean): Promise<void> {
    const { effect, form, text, waiting } = receipt;
    // Whoever took the first of two answers it.
    if (effect === 'duplicate') return;
    if (waiting !== undefined && !home && asked.response_url !== undefined) return list(asked, waiting, text);
    if (form === undefined) return tell(asked, home, text);
    const { conversation, about } = asked.command;
    const from: Omit<FormMemory, 'command' | 'text' | 'hidden' | 'lists'> = {
      channel: conversation.channel,
      thread: conversation.thread,
      ...(asked.response_url !== undefined && { response_url: asked.response_url }),
      ...(about !== undefined && { about }),
      ...(home && { home }),
    };
    try {
      const takesGroups = form.fields.some(({ kind }) => kind === 'targets');
      const view = formModal(form, from, takesGroups ? await groupsSoon(conversation.tenant) : []);
      await clients
        .of(conversation.tenant)
        .call((web) => web.views.open({ trigger_id: asked.trigger_id, view }), AbortSignal.timeout(TRIGGER_MS));
    } catch (error) {
      // Too late, or somebody in it whom Slack does not know: the text says how to do without, where there is a place to type.
      failed(error);
      await tell(asked, home, home ? notOpened(asked) : text);
    }
  }

  /** The groups to choose from; none where Slack takes long to say them, because a form opens within moments or not at all. */
  async function groupsSoon(tenant: string): Promise<UserGroup[]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<UserGroup[]>((resolve) => {
      timer = setTimeout(() => resolve([]), GROUPS_MS);
    });
    return Promise.race([parts.groupsOf(tenant), late]).finally(() => clearTimeout(timer));
  }

  async function list(asked: Asked, waiting: WaitingApprovals, text: string | null): Promise<void> {
    try {
      await answerWaiting(asked.response_url ?? '', waiting, { said: '', replace: false });
    } catch (error) {
      failed(error);
      if (!(error instanceof PerhapsSaidError)) await tell(asked, false, text);
    }
  }

  async function ask(asked: Asked, home: boolean): Promise<void> {
    const kept = await receiver().command(asked.command);
    inFlight.follow(
      kept.receipt.then(
        (receipt) => draw(asked, receipt, home),
        (error: unknown) => tellLater(asked, home, error),
      ),
      failed,
    );
  }

  /** Whoever asked waits, and the answer may be minutes away. */
  function tellLater(asked: Pick<Asked, 'command' | 'response_url'>, home: boolean, error: unknown): Promise<void> {
    failed(error);
    return tell(asked, home, NOT_DONE_YET);
  }

  for (const name of ['/agents', '/approvals', '/sessions']) {
    on.command(name, async ({ body, ack }) => {
      try {
        const { identity } = await connected(body);
        const asked = parseSlash(body, identity);
        if (asked !== null) await ask(asked, false);
        await ack();
      } catch (error) {
        // Slack does not send a command again: the person has to.
        failed(error);
        await ack({ response_type: 'ephemeral', text: NOT_TAKEN });
      }
    });
  }

  for (const id of [ASK_ABOUT_SHORTCUT, ASK_SHORTCUT]) {
    on.shortcut(id, async ({ body, ack }) => {
      const asked = parseShortcut(body, (await connected(body)).identity);
      if (asked !== null) await ask(asked, false);
      await ack();
    });
  }

  /** What became of a form that came twice is both's to say: Slack may take either's answer. */
  async function settled({ receipt }: Kept, { command }: SentForm): Promise<Receipt> {
    const until = performance.now() + TRIGGER_MS;
    let last = await receipt;
    while (last.unsettled === true && performance.now() < until) {
      await delay(LOOK_MS);
      last = await (await receiver().command(command)).receipt;
    }
    return last;
  }

  /** What became of a form, if that is known soon; it is told later otherwise. */
  async function soon(kept: Kept, sent: SentForm): Promise<Receipt | null> {
    const receipt = settled(kept, sent);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), TRIGGER_MS);
    });
    const first = await Promise.race([receipt, late]).finally(() => clearTimeout(timer));
    if (first === null) {
      const home = sent.memory.home === true;
      inFlight.follow(
        receipt.then(
          (late) => (late.effect === 'refused' ? tell(sent, false, withSent(late.text ?? '', sent)) : told(sent, late)),
          (error: unknown) => tellLater(sent, home, error),
        ),
        failed,
      );
    }
    return first;
  }

  on.view(FORM_VIEW, async ({ body, ack }) => {
    const sent = parseForm(body, (await connected(body)).identity);
    if (sent === null) {
      await ack();
      return;
    }
    let trouble = NOT_TAKEN;
    try {
      const kept = await receiver().command(sent.command);
      trouble = NOT_DONE_YET;
      const receipt = await soon(kept, sent);
      if (receipt?.errors !== undefined) {
        await ack({ response_action: 'errors', errors: shownErrors(receipt.errors, sent.shown) });
        return;
      }
      await ack();
      if (receipt !== null) inFlight.follow(told(sent, receipt), failed);
    } catch (error) {
      // The modal stays open with what was typed.
      failed(error);
      await ack({ response_action: 'errors', errors: shownErrors({}, sent.shown, trouble) });
    }
  });

  return { ask };
}

/** The form has closed by then: what was typed goes back to its person, and from the Home tab directly, where it stays. */
function withSent(text: string, { command: { fields = {} } }: SentForm): string {
  const typed = Object.entries(fields).filter(([, value]) => value !== '');
  const quoted = typed.map(([name, value]) => `> ${name}: ${value.replaceAll('\n', '\n> ')}`);
  return `${text}\n\nThe form has closed meanwhile. You sent:\n${quoted.join('\n')}`;
}

function notOpened({ command: { name, text } }: Asked): string {
  return `The form could not be opened just now. Press the button again, or type \`/${name} ${text}\` in a channel.`;
}

/** Slack takes errors for the fields of the view only: what is wrong with another one stands below the first. */
function shownErrors(
  errors: Readonly<Record<string, string>>,
  shown: readonly string[],
  other?: string,
): Record<string, string> {
  const [first = ''] = shown;
  const elsewhere = Object.entries(errors).flatMap(([name, text]) =>
    shown.includes(name) ? [] : [`${name}: ${text}`],
  );
  const all = other === undefined ? elsewhere : [other, ...elsewhere];
  const here = Object.entries(errors).filter(([name]) => shown.includes(name));
  const below = Object.fromEntries(here.map(([name, text]) => [name, shorten(text, FIELD_ERROR)]));
  if (all.length === 0) return below;
  const [own] = below[first] === undefined ? [] : [below[first]];
  return { ...below, [first]: shorten([own, ...all].filter((one) => one !== undefined).join(' '), FIELD_ERROR) };
}
