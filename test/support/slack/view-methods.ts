import { SlackApiError } from './api-error.ts';
import { type Arguments, objectOf, optional, required } from './arguments.ts';
import type { Method, MethodScene } from './method.ts';
import { checkView } from './view-limits.ts';
import type { SlackView, SlackWorkspace } from './workspace.ts';

/** "At a given moment, up to 3 views can exist in a view stack" (docs.slack.dev/surfaces/modals). */
const STACK = 3;

/** What an app says of a modal, checked; each has a hash of its own from then on. */
function drawn(workspace: SlackWorkspace, args: Arguments, viewer: string): Omit<SlackView, 'id' | 'user'> {
  const view = objectOf(args, 'view') ?? {};
  return {
    ...view,
    hash: workspace.nextId('hash'),
    callback_id: optional(view, 'callback_id') ?? '',
    private_metadata: optional(view, 'private_metadata') ?? '',
    blocks: checkView(workspace, view, 'modal', viewer),
  };
}

function answered({ id, callback_id, private_metadata, hash }: SlackView) {
  return { view: { id, callback_id, private_metadata, hash } };
}

function show({ workspace, triggeredBy }: MethodScene, args: Arguments, check: (open: number) => void) {
  const trigger = triggeredBy(required(args, 'trigger_id'));
  if (trigger === undefined) throw new SlackApiError('expired_trigger_id');
  // As apps see it where they open two (github.com/slackapi/bolt-js/issues/1371).
  if (trigger.is_exchanged) throw new SlackApiError('exchanged_trigger_id');
  const { user } = trigger;
  check(workspace.views.filter((view) => view.user === user).length);
  const view: SlackView = { ...drawn(workspace, args, user), id: workspace.nextId('V'), user } as SlackView;
  workspace.views.push(view);
  trigger.is_exchanged = true;
  return answered(view);
}

const openView: Method = (scene, args) => show(scene, args, () => undefined);

const pushView: Method = (scene, args) =>
  show(scene, args, (open) => {
    // Guess: the words for a trigger that came from no modal.
    if (open === 0) throw new SlackApiError('not_found');
    if (open >= STACK) throw new SlackApiError('push_limit_reached');
  });

/** Another view in the place of one that is open, unless that is not any more what the app saw. */
const updateView: Method = ({ workspace }, args) => {
  const view = workspace.views.find(({ id }) => id === required(args, 'view_id'));
  if (view === undefined) throw new SlackApiError('not_found');
  const hash = optional(args, 'hash');
  if (hash !== undefined && hash !== view.hash) throw new SlackApiError('hash_conflict');
  Object.assign(view, drawn(workspace, args, view.user));
  return answered(view);
};

/** Each version of a Home tab has a hash; whoever names one means that version, and none that came since. */
const publishView: Method = ({ workspace }, args) => {
  const user = required(args, 'user_id');
  if (!workspace.users.has(user)) throw new SlackApiError('user_not_found');
  const blocks = checkView(workspace, objectOf(args, 'view') ?? {}, 'home');
  const meant = optional(args, 'hash');
  if (meant !== undefined && meant !== workspace.homes.get(user)?.hash) throw new SlackApiError('hash_conflict');
  const hash = workspace.nextId('hash');
  workspace.homes.set(user, { hash, blocks });
  return { view: { id: `VHOME${user}`, type: 'home', hash } };
};

export const viewMethods: Record<string, Method> = {
  'views.open': openView,
  'views.publish': publishView,
  'views.push': pushView,
  'views.update': updateView,
};
