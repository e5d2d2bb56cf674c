import { useEffect, useRef, useState } from 'react';
import type { AgentChoice, Example, Person } from '../../../connectors/web/wire.ts';
import { api, createClientId } from '../api.ts';
import { openFeed } from '../event-feed.ts';
import { writeOutbox } from '../storage.ts';
import { navigate } from '../use-route.ts';
import { AgentPicker } from './agent-picker.tsx';
import { Composer } from './composer.tsx';
import type { PageEvents } from './conversation-page.tsx';
import { Header } from './header.tsx';

interface Props {
  person: Person;
  agents: AgentChoice[];
  examples: Example[];
  events: PageEvents;
}

/** The start of a conversation: whom to ask, what to try, and where to write. */
export function NewPage({ person, agents, examples, events }: Props) {
  const [agent, setAgent] = useState<string | null>(null);
  const [suggestion, setSuggestion] = useState<{ text: string } | null>(null);
  // One for each conversation begun here: trying again after a failure begins no second one.
  const clientId = useRef(createClientId());
  const handlers = useRef(events);
  useEffect(() => {
    handlers.current = events;
  });

  useEffect(() => {
    document.title = 'New conversation · Deckhand';
    return openFeed(null, 0, {
      conversation: (conversation) => handlers.current.onConversation(conversation),
      ready: () => handlers.current.onReady(),
      signed_out: () => handlers.current.onSignedOut(),
      onConnection: (isOpen) => handlers.current.onConnection(isOpen),
    });
  }, []);

  async function begin(text: string): Promise<boolean> {
    try {
      const conversation = await api.createConversation(clientId.current, agent);
      events.onConversation(conversation);
      // The opened conversation sends what its outbox holds, also after a reload right now.
      writeOutbox(person.id, conversation.id, [{ client_id: createClientId(), text, failure: null }]);
      setTimeout(() => navigate(conversation.id));
      return true;
    } catch (error) {
      events.onSay(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  return (
    <>
      <Header onMenu={events.onMenu} title="New conversation" />
      <div className="welcome">
        <div className="welcome-content">
          <h2>What needs doing, {person.name.split(' ')[0]}?</h2>
          <p>Ask in your own words. Commands run in a sandbox, and anything risky waits for your approval.</p>
          <ul className="examples" aria-label="Things to try">
            {examples.map((example) => (
              <li key={example.title}>
                <button type="button" className="example" onClick={() => setSuggestion({ text: example.prompt })}>
                  <strong>{example.title}</strong>
                  <span>{example.prompt.replaceAll('`', '')}</span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      </div>
      <div className="composer-frame">
        <Composer personId={person.id} place="new" onSend={begin} suggestion={suggestion}>
          <AgentPicker agents={agents} picked={agent} onPick={setAgent} />
        </Composer>
      </div>
    </>
  );
}
