import { useCallback, useEffect } from 'react';
import type { AgentChoice, ConversationDetail, ConversationSummary, Person } from '../../../connectors/web/wire.ts';
import { api, type Choice } from '../api.ts';
import { isWorking } from '../thread-state.ts';
import { useConversation, useThread } from '../use-thread.ts';
import { Announcer } from './announcer.tsx';
import { Composer } from './composer.tsx';
import { Header } from './header.tsx';
import { ThreadView } from './thread-view.tsx';

export interface PageEvents {
  onMenu: () => void;
  onConnection: (isOpen: boolean) => void;
  onConversation: (conversation: ConversationSummary) => void;
  onReady: () => void;
  onSignedOut: () => void;
  /** Something to say that belongs to no place on the page. */
  onSay: (message: string) => void;
}

interface Common {
  person: Person;
  agents: AgentChoice[];
  events: PageEvents;
}

/** The conversation an address names: read, then followed. */
export function ConversationPage({ id, ...rest }: Common & { id: string }) {
  const { opened, again } = useConversation(id);
  const { events } = rest;
  switch (opened.status) {
    case 'loading':
      return (
        <>
          <Header onMenu={events.onMenu} title="" />
          <p className="loading" role="status">
            Opening the conversation…
          </p>
        </>
      );
    case 'failed':
      return (
        <>
          <Header onMenu={events.onMenu} title="Not here" />
          <div className="failed" role="alert">
            <p>{opened.error.message}</p>
            {opened.error.isTemporary && (
              <button type="button" onClick={again}>
                Try again
              </button>
            )}
          </div>
        </>
      );
    case 'open':
      return <OpenConversation detail={opened.detail} {...rest} />;
    default:
      return opened satisfies never;
  }
}

function OpenConversation({ detail, person, agents, events }: Common & { detail: ConversationDetail }) {
  const thread = useThread(detail, person, events);
  const { conversation } = thread.state;
  const working = isWorking(thread.state);
  const { onSay } = events;
  const { id } = conversation;
  const agentName = (conversation.agent ?? agents[0])?.name;

  /** What the server answers stays on the page even when the card changes under it. */
  const decide = useCallback(
    async (approvalId: string, choice: Choice, reason: string) => {
      const receipt = await api.decide(id, approvalId, choice, reason);
      if (receipt.text !== null) onSay(receipt.text);
      return receipt;
    },
    [id, onSay],
  );

  const details = useCallback(async (approvalId: string) => (await api.details(id, approvalId)).detail, [id]);

  async function stop() {
    try {
      const receipt = await api.stop(id);
      if (receipt.text !== null) onSay(receipt.text);
    } catch (error) {
      onSay(error instanceof Error ? error.message : String(error));
    }
  }

  useEffect(() => {
    if (!working) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented || event.isComposing) return;
      // There it clears the search.
      if (!(event.target instanceof HTMLInputElement)) void stop();
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  });

  useEffect(() => {
    const title = conversation.title ?? 'New conversation';
    document.title = `${conversation.waiting > 0 ? 'Approval needed · ' : ''}${title} · Deckhand`;
  }, [conversation.title, conversation.waiting]);

  return (
    <>
      <Header onMenu={events.onMenu} title={conversation.title ?? 'New conversation'} people={conversation.people} />
      <ThreadView thread={thread} person={person} working={working} decide={decide} details={details} />
      <Announcer state={thread.state} />
      <div className="composer-frame">
        <Composer
          personId={person.id}
          place={conversation.id}
          onSend={(text) => {
            thread.say(text);
            return true;
          }}
          onStop={working ? () => void stop() : undefined}
        >
          {agentName !== undefined && <span className="composer-agent">To {agentName}</span>}
        </Composer>
      </div>
    </>
  );
}
